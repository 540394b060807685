//! Where a person stands between two pages of a sign-in, kept by their own browser.
//!
//! A server that remembered everybody who ever looked at a log-in page could be filled by looking. So each page carries what led to
//! it, under an HMAC, and the server remembers nothing until somebody has consented. The HMAC also covers a random cookie of the
//! browser: a page that was made for one browser is worthless in another, which is what keeps other sites from sending forms.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::derived::DerivedKeys;
use crate::error::Fault;
use crate::model::authorization::AuthorizationRequest;
use crate::store::SigningKey;

/// Separates the use of HMAC that makes these keys from any other.
const LABEL: &[u8] = b"tidelog/flow/1";
/// How long a page may be looked at before its form is sent, in seconds: half an hour for those that anybody gets.
const PAGE_SECONDS: i64 = 30 * 60;
/// The same for pages that come after the password, in seconds: ten minutes.
const SIGNED_IN_SECONDS: i64 = 10 * 60;
/// Longest token, in bytes: a request as large as it may be, and what stands around it.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Somebody whose password was right.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedUser {
    /// The user.
    pub user: Uuid,
    /// What the account was then: after another password, or another second factor, the step is over.
    pub tag: String,
}

/// What a page is about. No `Debug`: it holds an app's state.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlowState {
    /// Signing in, to an app or (`None`) for the account itself.
    SignIn(Option<AuthorizationRequest>),
    /// The password was right, the second factor is asked for.
    SecondFactor(Option<AuthorizationRequest>, VerifiedUser),
    /// The person is in, and is asked whether the app may be let in.
    Consent(AuthorizationRequest, VerifiedUser),
    /// A form that belongs to a link, or to nothing: signing up, a new password.
    Form,
}

impl FlowState {
    fn seconds(&self) -> i64 {
        match self {
            Self::SignIn(_) | Self::Form => PAGE_SECONDS,
            Self::SecondFactor(..) | Self::Consent(..) => SIGNED_IN_SECONDS,
        }
    }

    /// What the app asked for, to begin anew.
    pub fn request(&self) -> Option<&AuthorizationRequest> {
        match self {
            Self::SignIn(request) | Self::SecondFactor(request, _) => request.as_ref(),
            Self::Consent(request, _) => Some(request),
            Self::Form => None,
        }
    }
}

/// What a token turned out to be.
pub enum FlowToken {
    /// This step.
    Valid(FlowState),
    /// This step, but too long ago.
    Expired(FlowState),
    /// Nothing of ours, or another browser's.
    Invalid,
}

#[derive(Serialize, Deserialize)]
struct Signed {
    at: i64,
    /// Tells two pages of one second apart: a form of the one is no second click on the other.
    nonce: Uuid,
    state: FlowState,
}

/// The keys that sign steps. No `Debug`: they are secrets.
pub(super) struct FlowKeys(DerivedKeys);

impl FlowKeys {
    /// Those that go with the keys of access tokens, the newest first.
    pub(super) fn derived_from(keys: &[SigningKey]) -> Result<Self, Fault> {
        DerivedKeys::new(keys, LABEL).map(Self)
    }

    /// The token that stands for a step in this browser.
    pub(super) fn sign(&self, state: FlowState, browser: &str, now_seconds: i64) -> Result<String, Fault> {
        let json = serde_json::to_vec(&Signed { at: now_seconds, nonce: Uuid::new_v4(), state })
            .map_err(Fault::internal)?;
        let mac = mac(self.0.newest()?, browser, &json).map_err(Fault::internal)?.finalize().into_bytes();
        Ok(format!("{}.{}", BASE64URL_NOPAD.encode(&json), BASE64URL_NOPAD.encode(&mac)))
    }

    /// What a token stands for in this browser.
    pub(super) fn read(&self, token: &str, browser: &str, now_seconds: i64) -> FlowToken {
        let Some(Signed { at, state, .. }) = self.genuine(token, browser, now_seconds) else {
            return FlowToken::Invalid;
        };
        let age = now_seconds - at;
        if age < 0 || age >= state.seconds() { FlowToken::Expired(state) } else { FlowToken::Valid(state) }
    }

    fn genuine(&self, token: &str, browser: &str, now_seconds: i64) -> Option<Signed> {
        let (json, signature) = token.split_once('.').filter(|_| token.len() <= MAX_TOKEN_BYTES)?;
        let json = BASE64URL_NOPAD.decode(json.as_bytes()).ok()?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
        // Compared in constant time.
        let is_by = |key| mac(key, browser, &json).is_ok_and(|mac| mac.verify_slice(&signature).is_ok());
        self.0.verifying(now_seconds).any(is_by).then(|| serde_json::from_slice(&json).ok())?
    }
}

fn mac(key: &[u8; 32], browser: &str, json: &[u8]) -> Result<Hmac<Sha256>, hmac::digest::InvalidLength> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    // Of one length, so that no two pairs of browser and step are the same bytes.
    mac.update(&Sha256::digest(browser));
    mac.update(json);
    Ok(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> FlowKeys {
        FlowKeys::derived_from(&[SigningKey { kid: "k".into(), secret: [7; 32], replaced_at: None }])
            .expect("keys")
    }

    fn is_good(read: &FlowToken) -> bool {
        matches!(read, FlowToken::Valid(_))
    }

    #[test]
    fn a_step_is_good_in_its_own_browser_for_as_long_as_such_pages_are() {
        let person = VerifiedUser { user: Uuid::nil(), tag: "t".into() };
        for (state, seconds) in [
            (FlowState::SignIn(None), PAGE_SECONDS),
            (FlowState::SecondFactor(None, person), SIGNED_IN_SECONDS),
        ] {
            let token = keys().sign(state.clone(), "browser", 1_000).expect("a token");
            assert!(matches!(keys().read(&token, "browser", 1_000), FlowToken::Valid(read) if read == state));
            assert!(is_good(&keys().read(&token, "browser", 999 + seconds)));
            assert!(
                matches!(keys().read(&token, "browser", 1_000 + seconds), FlowToken::Expired(read) if read == state)
            );
            assert!(matches!(keys().read(&token, "another", 1_000), FlowToken::Invalid));
            assert!(matches!(keys().read(&token, "", 1_000), FlowToken::Invalid));
        }
    }

    #[test]
    fn no_character_of_a_token_can_be_changed() {
        let token = keys().sign(FlowState::Form, "browser", 0).expect("a token");
        for place in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(matches!(keys().read(&changed, "browser", 0), FlowToken::Invalid), "character {place}");
        }
        for garbage in ["", ".", "a.b", &"a".repeat(100_000)] {
            assert!(matches!(keys().read(garbage, "browser", 0), FlowToken::Invalid));
        }
    }
}
