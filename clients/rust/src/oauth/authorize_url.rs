//! Starting a sign-in: the URL for the browser, and the secrets that stay in the program.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::formats::FormatError;
use crate::{Result, SyncKitClient, SyncKitError};

/// Random bytes of a state and of a verifier. The verifier then has 43 characters, the minimum of PKCE.
const SECRET_BYTES: usize = 32;

/// A sign-in that was started: where to send the browser, and what to keep until it comes back.
///
/// A program that may be stopped meanwhile, as on a phone, stores it like a secret. It is good for one sign-in. Its
/// `Debug` output shows no secret.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct AuthorizeUrl {
    /// Open this in the browser.
    pub url: String,
    /// Comes back with the code. Another state belongs to a sign-in that somebody else started.
    pub state: String,
    /// Sent to the server with the code, and nowhere before.
    pub code_verifier: String,
    /// Where the browser is redirected to.
    pub redirect_uri: String,
}

impl fmt::Debug for AuthorizeUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AuthorizeUrl").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}

impl SyncKitClient {
    /// Starts a sign-in in the browser, which is redirected to `redirect_uri`: any path and port of `http://127.0.0.1`,
    /// `http://[::1]` or `http://localhost`, or one that the operator has registered for the app, such as
    /// `com.example.todo:/signed-in`.
    ///
    /// Sends nothing. For desktop programs, [`login_with_browser`](Self::login_with_browser) is simpler.
    ///
    /// # Errors
    /// [`SyncKitError::InvalidField`] if the server's URL is invalid.
    pub fn build_authorize_url(&self, redirect_uri: &str) -> Result<AuthorizeUrl> {
        let (state, code_verifier) = (secret()?, secret()?);
        let mut url = Url::parse(&format!("{}/oauth/authorize", self.server_url)).map_err(|error| {
            SyncKitError::InvalidField { field: String::from("server_url"), reason: error.to_string() }
        })?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.api_key)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge_of(&code_verifier))
            .append_pair("code_challenge_method", "S256");
        Ok(AuthorizeUrl { url: url.into(), state, code_verifier, redirect_uri: redirect_uri.to_owned() })
    }
}

/// Returns an unguessable value in characters that need no escaping.
fn secret() -> Result<String> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| FormatError::NoRandomness)?;
    let secret = BASE64URL_NOPAD.encode(&bytes);
    bytes.zeroize();
    Ok(secret)
}

/// Returns PKCE's S256 challenge.
fn challenge_of(code_verifier: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(code_verifier))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SyncKitConfig;

    fn client(server_url: &str) -> SyncKitClient {
        SyncKitClient::new(SyncKitConfig { server_url: server_url.into(), api_key: "tla_key".into() })
    }

    #[test]
    fn the_challenge_is_the_one_of_rfc_7636() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge_of(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn the_url_has_all_parameters_and_not_the_verifier() {
        let started =
            client("https://sync.example.org/app/").build_authorize_url("todo:/done?a=b&c").unwrap();
        let url = Url::parse(&started.url).unwrap();
        let pairs: Vec<_> = url.query_pairs().collect();
        let challenge = challenge_of(&started.code_verifier);
        let expected = [
            ("response_type", "code"),
            ("client_id", "tla_key"),
            ("redirect_uri", "todo:/done?a=b&c"),
            ("state", &started.state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let expected: Vec<_> =
            expected.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        assert_eq!(pairs, expected);
        assert_eq!(url.path(), "/app/oauth/authorize");
        assert!(!started.url.contains(&started.code_verifier));
        assert_eq!(started.code_verifier.len(), 43);
    }

    #[test]
    fn no_two_sign_ins_share_a_secret() {
        let client = client("https://sync.example.org");
        let (one, other) =
            (client.build_authorize_url("a:/").unwrap(), client.build_authorize_url("a:/").unwrap());
        assert_ne!(one.state, other.state);
        assert_ne!(one.code_verifier, other.code_verifier);
        assert_ne!(one.state, one.code_verifier);
    }

    #[test]
    fn an_invalid_server_url_is_an_error() {
        let refused = client("sync.example.org").build_authorize_url("a:/");
        assert!(matches!(refused, Err(SyncKitError::InvalidField { field, .. }) if field == "server_url"));
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let started = client("https://sync.example.org").build_authorize_url("a:/").unwrap();
        let shown = format!("{started:?}");
        for secret in [&started.state, &started.code_verifier, &challenge_of(&started.code_verifier)] {
            assert!(!shown.contains(secret.as_str()));
        }
    }

    #[test]
    fn a_saved_sign_in_comes_back_as_it_was() {
        let started = client("https://sync.example.org").build_authorize_url("a:/").unwrap();
        let saved = serde_json::to_string(&started).unwrap();
        let back: AuthorizeUrl = serde_json::from_str(&saved).unwrap();
        assert_eq!((&back.url, &back.code_verifier), (&started.url, &started.code_verifier));
    }
}
