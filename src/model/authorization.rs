//! What an app asks for when it sends a person's browser to sign in (RFC 6749, 4.1.1, with PKCE, RFC 7636).

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::redirects;
use crate::clock::MICROS_PER_SECOND;

/// How long a code is good, in microseconds: a minute.
pub const CODE_LIVES_US: i64 = 60 * MICROS_PER_SECOND;
/// How long a code that was exchanged is remembered, in microseconds: a day. Whoever presents it then ends what it gave.
pub const CODE_REMEMBERED_US: i64 = 24 * 60 * 60 * MICROS_PER_SECOND;
/// Longest `state`, in bytes.
const MAX_STATE_BYTES: usize = 1_024;
/// Longest client id, in bytes.
const MAX_CLIENT_ID_BYTES: usize = 200;

/// An app, as the pages where people sign in to it show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The app.
    pub app: Uuid,
    /// Its name.
    pub name: String,
    /// Where browsers may be sent back to, besides the person's own machine.
    pub redirects: Vec<String>,
    /// Its colour, `#rrggbb`.
    pub color: Option<String>,
    /// Whether it has a picture.
    pub has_icon: bool,
}

impl Client {
    fn takes(&self, redirect_uri: &str) -> bool {
        redirects::is_loopback(redirect_uri) || self.redirects.iter().any(|known| known == redirect_uri)
    }
}

/// A request that is in order. Its `Debug` output would show the app's state.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The app's API key.
    pub client_id: String,
    /// Where the browser goes in the end.
    pub redirect_uri: String,
    /// Given back to the app.
    pub state: String,
    /// PKCE: SHA-256 of what the app will show, base64url.
    pub code_challenge: String,
}

/// Why a request is not in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// To be shown to the person: the app, or the way back to it, is not known, so nobody may be told but them.
    Shown(&'static str),
    /// To be told to the app.
    Told {
        /// Where.
        redirect_uri: String,
        /// With which state, if it sent one.
        state: Option<String>,
        /// A code of RFC 6749, 4.1.2.1.
        error: &'static str,
        /// For the app's developer.
        description: &'static str,
    },
}

/// The parameters of a request. One that is there twice counts as wrong.
pub struct Parameters(BTreeMap<String, Option<String>>);

impl Parameters {
    /// Reads a query or a form.
    pub fn read(text: &str) -> Self {
        let mut all = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            let twice = all.contains_key(name.as_ref());
            all.insert(name.into_owned(), (!twice).then(|| value.into_owned()));
        }
        Self(all)
    }

    /// A parameter that is there once and is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Option::as_deref).filter(|value| !value.is_empty())
    }

    fn is_there_twice(&self) -> bool {
        self.0.values().any(Option::is_none)
    }

    /// The client id, if it can be one.
    pub fn client_id(&self) -> Option<&str> {
        self.get("client_id").filter(|id| id.len() <= MAX_CLIENT_ID_BYTES)
    }

    /// The request that the parameters are, by this client.
    ///
    /// # Errors
    /// See [`Flaw`].
    pub fn request_of(&self, client: &Client) -> Result<AuthorizationRequest, Flaw> {
        let redirect_uri = self.get("redirect_uri").filter(|uri| client.takes(uri));
        let unknown = Flaw::Shown("The redirect URL is missing, or isn't registered for this app.");
        let redirect_uri = redirect_uri.ok_or(unknown)?.to_owned();
        let state = self.get("state").filter(|state| state.len() <= MAX_STATE_BYTES);
        let tell = |error, description| {
            let state = state.map(Into::into);
            Err(Flaw::Told { redirect_uri: redirect_uri.clone(), state, error, description })
        };
        if self.is_there_twice() {
            return tell("invalid_request", "a parameter is there twice");
        }
        if self.get("request").is_some() || self.get("request_uri").is_some() {
            return tell("invalid_request", "parameters are taken from the query only");
        }
        match self.get("response_type") {
            None => return tell("invalid_request", "response_type is missing"),
            Some("code") => {}
            Some(_) => return tell("unsupported_response_type", "response_type must be code"),
        }
        let Some(state) = state else {
            return tell("invalid_request", "state is missing or longer than 1024 bytes");
        };
        if self.get("code_challenge_method") != Some("S256") {
            return tell("invalid_request", "code_challenge_method must be S256");
        }
        let challenge = self.get("code_challenge").filter(|challenge| challenge_of(challenge).is_some());
        let Some(code_challenge) = challenge else {
            return tell("invalid_request", "code_challenge must be a SHA-256 in base64url");
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
    /// The challenge as bytes.
    pub fn challenge(&self) -> Option<[u8; 32]> {
        challenge_of(&self.code_challenge)
    }

    /// The query by which it can be made again.
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

    fn client() -> Client {
        Client {
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

    fn flaw(query: &str) -> Option<&'static str> {
        match Parameters::read(query).request_of(&client()) {
            Ok(_) => None,
            Err(Flaw::Shown(_)) => Some("shown"),
            Err(Flaw::Told { error, .. }) => Some(error),
        }
    }

    #[test]
    fn a_request_in_order_can_be_made_again_from_what_was_read() {
        let read = |query: &str| match Parameters::read(query).request_of(&client()) {
            Ok(request) => request,
            Err(flaw) => panic!("{query}: {flaw:?}"),
        };
        let request = read(&query(""));
        assert!(read(&request.query()) == request);
        assert!(request.challenge().is_some());
    }

    #[test]
    fn a_wrong_way_back_is_shown_and_every_other_fault_is_told_to_the_app() {
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
            assert_eq!(flaw(&query(change)), expected, "{change}");
        }
        assert_eq!(flaw(&format!("{}&state=other", query(""))), Some("invalid_request"));
        assert_eq!(
            flaw(&format!("{}&redirect_uri=https://notes.example/callback", query(""))),
            Some("shown")
        );
    }
}
