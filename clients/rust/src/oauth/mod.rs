//! Signing in through the browser: OAuth 2.0 with PKCE, for programs that never see the password.
//!
//! The program builds a URL ([`SyncKitClient::build_authorize_url`]), the browser shows the server's pages there and
//! comes back to the program with a code, and the code is exchanged for a session. A code that somebody sees on its
//! way is useless without the verifier, which stays in the program.

mod authorize_url;
mod browser;
mod callback;
mod loopback;
mod page;

use reqwest::Url;
use serde::Deserialize;
use tidelog_protocol::{GRANT_AUTHORIZATION_CODE, GRANT_JWT_BEARER, TokenRequest, TokenResponse};
use uuid::Uuid;

pub use authorize_url::AuthorizeUrl;

use crate::session::SessionInfo;
use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};
use callback::Callback;

impl SyncKitClient {
    /// Signs in with the code that the browser brought. Returns the user id and the app id.
    ///
    /// The caller must have compared the `state` that came with the code.
    /// [`authenticate_with_callback`](Self::authenticate_with_callback) does that, and more.
    ///
    /// # Errors
    /// [`SyncKitError::CodeRefused`], [`SyncKitError::InvalidCredentials`] for an unknown API key,
    /// [`SyncKitError::RateLimited`], [`SyncKitError::Network`].
    pub async fn authenticate_with_code(
        &self,
        code: &str,
        redirect_uri: &str,
        code_verifier: &str,
    ) -> Result<(Uuid, Uuid)> {
        let body = TokenRequest {
            grant_type: Some(GRANT_AUTHORIZATION_CODE.into()),
            client_id: Some(self.api_key.clone()),
            code: Some(code.to_owned()),
            redirect_uri: Some(redirect_uri.to_owned()),
            code_verifier: Some(code_verifier.to_owned()),
            ..TokenRequest::default()
        };
        // Retried like any other request. If only the answer was lost, the retry revokes the session that the first
        // attempt started, so that no session is left behind that nobody holds; the user signs in once more.
        self.exchange(&body).await
    }

    /// Signs in with a JWT of an issuer that the app trusts, such as the ID token of the app's own login. Returns the
    /// user id and the app id.
    ///
    /// # Errors
    /// [`SyncKitError::CodeRefused`] if the server does not accept it, and those of
    /// [`authenticate_with_code`](Self::authenticate_with_code).
    pub async fn authenticate_with_assertion(&self, jwt: &str) -> Result<(Uuid, Uuid)> {
        let body = TokenRequest {
            grant_type: Some(GRANT_JWT_BEARER.into()),
            client_id: Some(self.api_key.clone()),
            assertion: Some(jwt.to_owned()),
            ..TokenRequest::default()
        };
        self.exchange(&body).await
    }

    /// Signs in with the whole URL to which the browser was redirected. Returns the user id and the app id.
    ///
    /// Compares the state and, if the server names itself, the server, so that nobody can inject a code of their own.
    ///
    /// # Errors
    /// [`SyncKitError::AccessDenied`] if the user declined, [`SyncKitError::SignInFailed`] if there is no code,
    /// [`SyncKitError::ForeignCallback`] if it belongs to another sign-in, and those of
    /// [`authenticate_with_code`](Self::authenticate_with_code).
    pub async fn authenticate_with_callback(
        &self,
        started: &AuthorizeUrl,
        callback_url: &str,
    ) -> Result<(Uuid, Uuid)> {
        let query = callback_url.split_once('?').map_or("", |(_, query)| query);
        let query = query.split_once('#').map_or(query, |(query, _)| query);
        self.finish_sign_in(started, Callback::parse(query)).await
    }

    /// Exchanges a code or an assertion for a session.
    async fn exchange(&self, body: &TokenRequest) -> Result<(Uuid, Uuid)> {
        let request = Request::post("/oauth/token", body)?.at_root();
        let answer = self.transport.fetch::<TokenResponse>(&request, None).await;
        let session = SessionInfo::from(answer.map_err(token_error)?);
        let owner = session.owner();
        self.start_session(session);
        Ok((owner.user_id, owner.app_id))
    }

    /// Completes a sign-in with what the browser brought.
    async fn finish_sign_in(&self, started: &AuthorizeUrl, callback: Callback) -> Result<(Uuid, Uuid)> {
        if !callback.has_state(&started.state) {
            return Err(SyncKitError::ForeignCallback);
        }
        if let Some(issuer) = &callback.issuer {
            self.check_issuer(issuer).await?;
        }
        let code = callback.outcome?;
        self.authenticate_with_code(&code, &started.redirect_uri, &started.code_verifier).await
    }

    /// Checks that `issuer` is the server of this client. If the callback names none, there is nothing to compare: a
    /// server that could be confused with this one would name itself.
    async fn check_issuer(&self, issuer: &str) -> Result<()> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
        }
        if is_same_server(issuer, &self.server_url) {
            return Ok(());
        }
        // The server may have another public URL than the one under which it is reached from here.
        let request = Request::get("/.well-known/oauth-authorization-server").at_root();
        let metadata: Metadata = self.transport.fetch(&request, None).await?;
        if is_same_server(issuer, &metadata.issuer) { Ok(()) } else { Err(SyncKitError::ForeignCallback) }
    }
}

/// Whether two URLs name the same server; a trailing slash, the case of the host and a default port do not matter.
fn is_same_server(one: &str, other: &str) -> bool {
    let normalized = |url: &str| Url::parse(url).map(|url| url.as_str().trim_end_matches('/').to_owned());
    matches!((normalized(one), normalized(other)), (Ok(one), Ok(other)) if one == other)
}

/// Maps the errors of the token endpoint, which follows RFC 6749: its codes are where other routes have a sentence.
fn token_error(error: SyncKitError) -> SyncKitError {
    match error {
        SyncKitError::Unauthenticated => SyncKitError::InvalidCredentials,
        SyncKitError::Server { status: 400, message, .. } if message == "invalid_grant" => {
            SyncKitError::CodeRefused
        }
        SyncKitError::Server { status: 400, message, .. } if message == "invalid_client" => {
            SyncKitError::InvalidCredentials
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SyncKitConfig;

    fn client(server_url: &str) -> SyncKitClient {
        SyncKitClient::new(SyncKitConfig { server_url: server_url.into(), api_key: "tla_key".into() })
    }

    #[test]
    fn servers_are_the_same_however_their_urls_are_spelled() {
        assert!(is_same_server("https://Sync.example.org:443/", "https://sync.example.org"));
        for other in [
            "http://sync.example.org",
            "https://sync.example.org:8443",
            "https://sync.example.org/a",
            "",
            "x",
        ] {
            assert!(!is_same_server(other, "https://sync.example.org"), "{other}");
        }
    }

    #[tokio::test]
    async fn the_callback_of_another_sign_in_is_refused_before_anything_is_sent() {
        let client = client("http://127.0.0.1:9");
        let started = client.build_authorize_url("a:/").unwrap();
        for callback in
            ["a:/?code=c&state=other", "a:/?code=c", "a:/", "", "a:/?state=&code=c", "a:/#state=x"]
        {
            let refused = client.authenticate_with_callback(&started, callback).await;
            assert!(matches!(refused, Err(SyncKitError::ForeignCallback)), "{callback}");
        }
    }

    #[tokio::test]
    async fn a_callback_without_a_code_has_its_own_errors() {
        let client = client("http://127.0.0.1:9");
        let started = client.build_authorize_url("a:/").unwrap();
        let bring = |rest: &str| format!("a:/?state={}&{rest}", started.state);
        let denied = client.authenticate_with_callback(&started, &bring("error=access_denied")).await;
        assert!(matches!(denied, Err(SyncKitError::AccessDenied)));
        let failed = client.authenticate_with_callback(&started, &bring("error=server_error&code=c")).await;
        assert!(matches!(failed, Err(SyncKitError::SignInFailed { error }) if error == "server_error"));
        let nothing = client.authenticate_with_callback(&started, &bring("nothing=else")).await;
        assert!(matches!(nothing, Err(SyncKitError::SignInFailed { .. })));
    }
}
