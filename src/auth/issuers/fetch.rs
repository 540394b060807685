//! Fetching an issuer's keys: over HTTPS, little, and not for long. Where to is the operator's choice alone; nothing in a token or in
//! an answer leads anywhere else.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::ACCEPT;
use reqwest::redirect::Policy;
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::OnceCell;

use super::keys::KeySet;

/// Bytes of an answer that are read.
const MAX_BYTES: usize = 256 * 1024;
/// Time to reach an issuer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Where OpenID providers describe themselves.
const METADATA_PATH: &str = "/.well-known/openid-configuration";

/// Why keys could not be fetched. It quotes nothing of an answer.
#[derive(Debug, Error)]
pub enum FetchFault {
    /// Keys that come unprotected could be anybody's.
    #[error("the address begins with https://, or with http:// and leads to this machine")]
    Unprotected,
    /// Neither reached nor understood.
    #[error("{0}")]
    Network(String),
    /// Something else than yes.
    #[error("it answered {0}")]
    Refused(u16),
    /// More than keys can be.
    #[error("it answered with more than {MAX_BYTES} bytes")]
    TooLarge,
    /// Not what was asked for.
    #[error("it answered with something else than {0}")]
    Unexpected(&'static str),
}

/// An HTTP client that is made when it is first needed.
#[derive(Default)]
pub(super) struct Fetcher {
    http: OnceCell<reqwest::Client>,
}

impl Fetcher {
    /// The document at this address, once it has proven to be a set of keys.
    pub(super) async fn keys_at(&self, url: &str) -> Result<String, FetchFault> {
        let jwks = self.get(url).await?;
        KeySet::parse(&jwks).ok_or(FetchFault::Unexpected("a JSON Web Key Set"))?;
        Ok(jwks)
    }

    /// Where an OpenID provider says that its keys are.
    pub(super) async fn keys_url_of(&self, issuer: &str) -> Result<String, FetchFault> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
            jwks_uri: String,
        }
        let metadata = self.get(&format!("{}{METADATA_PATH}", issuer.trim_end_matches('/'))).await?;
        let metadata: Metadata = serde_json::from_str(&metadata)
            .map_err(|_| FetchFault::Unexpected("the metadata of an OpenID provider"))?;
        if metadata.issuer != issuer {
            return Err(FetchFault::Unexpected("the metadata of this issuer, letter for letter"));
        }
        address(&metadata.jwks_uri)?;
        Ok(metadata.jwks_uri)
    }

    async fn get(&self, url: &str) -> Result<String, FetchFault> {
        let http = self.http.get_or_try_init(|| async {
            // It reads the system's root certificates.
            let made = tokio::task::spawn_blocking(client).await;
            made.map_err(|error| FetchFault::Network(error.to_string()))?.map_err(network)
        });
        let request = http.await?.get(address(url)?).header(ACCEPT, "application/json");
        let mut answer = request.send().await.map_err(network)?;
        if !answer.status().is_success() {
            return Err(FetchFault::Refused(answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(network)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(FetchFault::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        String::from_utf8(body).map_err(|_| FetchFault::Unexpected("text"))
    }
}

fn client() -> reqwest::Result<reqwest::Client> {
    crate::tls::use_ring();
    reqwest::Client::builder()
        .user_agent(concat!("tidelog/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .build()
}

/// An address from which keys may be fetched.
pub(super) fn address(url: &str) -> Result<Url, FetchFault> {
    let url = Url::parse(url).map_err(|error| FetchFault::Network(error.to_string()))?;
    let is_here = url.host_str().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    });
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        _ => Err(FetchFault::Unprotected),
    }
}

/// The innermost reason: the outer ones only say that it failed.
fn network(error: reqwest::Error) -> FetchFault {
    let mut reason: &dyn std::error::Error = &error;
    while let Some(inner) = reason.source() {
        reason = inner;
    }
    FetchFault::Network(reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        for good in
            ["https://id.example.org/keys", "http://127.0.0.1:9/", "http://[::1]/k", "http://localhost:80/"]
        {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example.org/",
            "http://127.0.0.1.example.org/",
            "file:///etc/passwd",
            "ftp://a/",
            "keys",
            "",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
