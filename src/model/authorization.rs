//! OAuth authorization requests (RFC 6749, 4.1.1) with PKCE (RFC 7636).

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::redirects;
use crate::clock::MICROS_PER_SECOND;

/// Lifetime of a code, in microseconds: a minute.
pub const CODE_LIFETIME_US: i64 = 60 * MICROS_PER_SECOND;
/// How long an exchanged code is kept, in microseconds: a day. If it is presented again, the session that it gave ends.
pub const CODE_RETENTION_US: i64 = 24 * 60 * 60 * MICROS_PER_SECOND;
/// Longest `state`, in bytes.
const MAX_STATE_BYTES: usize = 1_024;
/// Longest client id, in bytes.
const MAX_CLIENT_ID_BYTES: usize = 200;

/// An app in its role as an OAuth client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthClient {
    /// The app.
    pub app: Uuid,
    /// Its name.
    pub name: String,
    /// The registered redirect URIs.
    pub redirects: Vec<String>,
    /// Its brand color, `#rrggbb`.
    pub color: Option<String>,
    /// Whether it has an icon.
    pub has_icon: bool,
}

impl OAuthClient {
    fn may_redirect_to(&self, redirect_uri: &str) -> bool {
        redirects::is_loopback(redirect_uri) || self.redirects.iter().any(|uri| uri == redirect_uri)
    }
}

/// A valid request. No `Debug`: it holds the app's `state`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The app's API key.
    pub client_id: String,
    /// Where the browser is redirected in the end.
    pub redirect_uri: String,
    /// Opaque; returned to the app.
    pub state: String,
    /// PKCE: SHA-256 of the code verifier, in base64url.
    pub code_challenge: String,
}

/// Why a request is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidRequest {
    /// To be shown to the user only: the app or its redirect URI is unknown, so nobody else may learn of it.
    Shown(&'static str),
    /// To be reported to the app.
    Redirected {
        /// Where the browser is redirected.
        redirect_uri: String,
        /// The app's `state`, if it sent one.
        state: Option<String>,
        /// A code of RFC 6749, 4.1.2.1.
        error: &'static str,
        /// For the developers of the app.
        description: &'static str,
    },
}

/// The parameters of a request. A parameter that occurs twice has no value.
pub struct Parameters(BTreeMap<String, Option<String>>);

impl Parameters {
    /// Parses a query or a form.
    pub fn parse(text: &str) -> Self {
        let mut all = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            let is_repeated = all.contains_key(name.as_ref());
            all.insert(name.into_owned(), (!is_repeated).then(|| value.into_owned()));
        }
        Self(all)
    }

    /// A parameter that occurs once and is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Option::as_deref).filter(|value| !value.is_empty())
    }

    fn has_repeated(&self) -> bool {
        self.0.values().any(Option::is_none)
    }

    /// The client id, if it is not too long.
    pub fn client_id(&self) -> Option<&str> {
        self.get("client_id").filter(|id| id.len() <= MAX_CLIENT_ID_BYTES)
    }

    /// Checks the request of this client.
    ///
    /// # Errors
    /// See [`InvalidRequest`].
    pub fn check(&self, client: &OAuthClient) -> Result<AuthorizationRequest, InvalidRequest> {
        let redirect_uri = self.get("redirect_uri").filter(|uri| client.may_redirect_to(uri));
        let unknown = InvalidRequest::Shown("The redirect URL is missing, or isn't registered for this app.");
        let redirect_uri = redirect_uri.ok_or(unknown)?.to_owned();
        let state = self.get("state").filter(|state| state.len() <= MAX_STATE_BYTES);
        let redirected = |error, description| {
            let state = state.map(Into::into);
            Err(InvalidRequest::Redirected { redirect_uri: redirect_uri.clone(), state, error, description })
        };
        if self.has_repeated() {
            return redirected("invalid_request", "a parameter occurs more than once");
        }
        if self.get("request").is_some() || self.get("request_uri").is_some() {
            return redirected("invalid_request", "parameters are accepted in the query only");
        }
        match self.get("response_type") {
            None => return redirected("invalid_request", "response_type is missing"),
            Some("code") => {}
            Some(_) => return redirected("unsupported_response_type", "response_type must be code"),
        }
        let Some(state) = state else {
            return redirected("invalid_request", "state is missing or longer than 1024 bytes");
        };
        if self.get("code_challenge_method") != Some("S256") {
            return redirected("invalid_request", "code_challenge_method must be S256");
        }
        let challenge = self.get("code_challenge").filter(|challenge| challenge_of(challenge).is_some());
        let Some(code_challenge) = challenge else {
            return redirected("invalid_request", "code_challenge must be a SHA-256 in base64url");
        };
        Ok(AuthorizationRequest {
            client_id: self.client_id().unwrap_or_default().into(),
            redirect_uri: redirect_uri.clone(),
            state: state.into(),
            code_challenge: code_challenge.into(),
        })
    }
}

fn challenge_of(text: &str) -> Option<[u8; 32]> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()
}

impl AuthorizationRequest {
    /// The code challenge as bytes.
    pub fn challenge(&self) -> Option<[u8; 32]> {
        challenge_of(&self.code_challenge)
    }

    /// The query that makes this request again.
    pub fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("state", &self.state),
            ("code_challenge", &self.code_challenge),
            ("code_challenge_method", "S256"),
        ]);
        query.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn client() -> OAuthClient {
        OAuthClient {
            app: Uuid::nil(),
            name: "Notes".into(),
            redirects: vec!["https://notes.example/callback".into()],
            color: None,
            has_icon: false,
        }
    }

    fn query(change: &str) -> String {
        let base = format!(
            "response_type=code&client_id=tla_x&redirect_uri=https://notes.example/callback&state=s\
             &code_challenge={CHALLENGE}&code_challenge_method=S256"
        );
        let name = change.split('=').next().unwrap_or_default();
        let rest: Vec<_> = base
            .split('&')
            .filter(|pair| name.is_empty() || !pair.starts_with(&format!("{name}=")))
            .collect();
        format!("{}&{change}", rest.join("&"))
    }

    fn error(query: &str) -> Option<&'static str> {
        match Parameters::parse(query).check(&client()) {
            Ok(_) => None,
            Err(InvalidRequest::Shown(_)) => Some("shown"),
            Err(InvalidRequest::Redirected { error, .. }) => Some(error),
        }
    }

    #[test]
    fn a_valid_request_can_be_made_again_from_its_query() {
        let parse = |query: &str| match Parameters::parse(query).check(&client()) {
            Ok(request) => request,
            Err(invalid) => panic!("{query}: {invalid:?}"),
        };
        let request = parse(&query(""));
        assert!(parse(&request.query()) == request);
        assert!(request.challenge().is_some());
    }

    #[test]
    fn a_wrong_redirect_uri_is_shown_and_every_other_error_is_reported_to_the_app() {
        for (change, expected) in [
            ("redirect_uri=", Some("shown")),
            ("redirect_uri=https://notes.example/callback/", Some("shown")),
            ("redirect_uri=https://notes.example/Callback", Some("shown")),
            ("redirect_uri=https://notes.example:443/callback", Some("shown")),
            ("redirect_uri=https://notes.example/callback?x", Some("shown")),
            ("redirect_uri=https://evil.example/callback", Some("shown")),
            ("redirect_uri=http://127.0.0.1:4711/x", None),
            ("response_type=", Some("invalid_request")),
            ("response_type=token", Some("unsupported_response_type")),
            ("state=", Some("invalid_request")),
            ("code_challenge=", Some("invalid_request")),
            ("code_challenge=short", Some("invalid_request")),
            ("code_challenge_method=", Some("invalid_request")),
            ("code_challenge_method=plain", Some("invalid_request")),
            ("code_challenge_method=s256", Some("invalid_request")),
            ("request_uri=https://evil.example", Some("invalid_request")),
            ("scope=anything", None),
        ] {
            assert_eq!(error(&query(change)), expected, "{change}");
        }
        assert_eq!(error(&format!("{}&state=other", query(""))), Some("invalid_request"));
        assert_eq!(
            error(&format!("{}&redirect_uri=https://notes.example/callback", query(""))),
            Some("shown")
        );
    }
}
