//! Fetching an issuer's keys: over HTTPS, with limits of size and time. The URL is the operator's choice alone;
//! nothing in a token or an answer redirects it.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::ACCEPT;
use reqwest::redirect::Policy;
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::OnceCell;

use super::keys::KeySet;
use crate::tls::{root_cause, use_ring};

/// Largest answer, in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// Timeout for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout of the whole request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The path of the metadata of OpenID providers.
const METADATA_PATH: &str = "/.well-known/openid-configuration";

/// Why keys could not be fetched. Nothing of an answer is quoted.
#[derive(Debug, Error)]
pub enum FetchError {
    /// Keys fetched without TLS could be anybody's.
    #[error("the URL must begin with https://, or with http:// and a loopback host")]
    Unprotected,
    /// The request failed.
    #[error("{0}")]
    Network(String),
    /// Not a successful status.
    #[error("it answered with status {0}")]
    Status(u16),
    /// Larger than any key set.
    #[error("it answered with more than {MAX_BYTES} bytes")]
    TooLarge,
    /// Another document.
    #[error("its answer is not {0}")]
    Unexpected(&'static str),
}

/// An HTTP client, created when it is first needed.
#[derive(Default)]
pub(super) struct Fetcher {
    http: OnceCell<reqwest::Client>,
}

impl Fetcher {
    /// The key set at this URL.
    pub(super) async fn key_set(&self, url: &str) -> Result<String, FetchError> {
        let jwks = self.get(url).await?;
        KeySet::parse(&jwks).ok_or(FetchError::Unexpected("a JSON Web Key Set"))?;
        Ok(jwks)
    }

    /// The URL of the keys in the metadata of an OpenID provider.
    pub(super) async fn jwks_url(&self, issuer: &str) -> Result<String, FetchError> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
            jwks_uri: String,
        }
        let metadata = self.get(&format!("{}{METADATA_PATH}", issuer.trim_end_matches('/'))).await?;
        let metadata: Metadata = serde_json::from_str(&metadata)
            .map_err(|_| FetchError::Unexpected("the metadata of an OpenID provider"))?;
        if metadata.issuer != issuer {
            return Err(FetchError::Unexpected("the metadata of exactly this issuer"));
        }
        check_url(&metadata.jwks_uri)?;
        Ok(metadata.jwks_uri)
    }

    async fn get(&self, url: &str) -> Result<String, FetchError> {
        let http = self.http.get_or_try_init(|| async {
            // Blocking: it reads the system's root certificates.
            let client = tokio::task::spawn_blocking(new_client).await;
            client.map_err(|error| FetchError::Network(error.to_string()))?.map_err(network)
        });
        let request = http.await?.get(check_url(url)?).header(ACCEPT, "application/json");
        let mut answer = request.send().await.map_err(network)?;
        if !answer.status().is_success() {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(network)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        String::from_utf8(body).map_err(|_| FetchError::Unexpected("text"))
    }
}

fn new_client() -> reqwest::Result<reqwest::Client> {
    use_ring();
    reqwest::Client::builder()
        .user_agent(concat!("tidelog/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .build()
}

/// Parses a URL from which keys may be fetched.
pub(super) fn check_url(url: &str) -> Result<Url, FetchError> {
    let url = Url::parse(url).map_err(|error| FetchError::Network(error.to_string()))?;
    let is_loopback = url.host_str().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    });
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback => Ok(url),
        _ => Err(FetchError::Unprotected),
    }
}

fn network(error: reqwest::Error) -> FetchError {
    FetchError::Network(root_cause(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_fetched_over_https_or_from_this_machine() {
        for good in
            ["https://id.example.org/keys", "http://127.0.0.1:9/", "http://[::1]/k", "http://localhost:80/"]
        {
            assert!(check_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example.org/",
            "http://127.0.0.1.example.org/",
            "file:///etc/passwd",
            "ftp://a/",
            "keys",
            "",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }
}
