//! Flow state: how far a sign-in in a browser has got, kept by the browser itself.
//!
//! A server that remembered everybody who opens the sign-in page could be filled up that way. So each page carries
//! its state, signed by an HMAC, and the server stores nothing until the user has consented. The HMAC also covers a
//! random cookie of the browser: a page made for one browser is worthless in another, which protects against forms
//! sent by other sites (CSRF).

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::derived_keys::DerivedKeys;
use crate::error::Fault;
use crate::model::authorization::AuthorizationRequest;
use crate::store::SigningKey;

/// Separates the keys that sign flow state from any others.
const LABEL: &[u8] = b"tidelog/flow/1";
/// How long the form of a page can be sent, in seconds: half an hour for pages that anybody can open.
const PAGE_SECONDS: i64 = 30 * 60;
/// The same for pages after the password, in seconds: ten minutes.
const VERIFIED_SECONDS: i64 = 10 * 60;
/// Longest token, in bytes: the largest authorization request, and what surrounds it.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// A user whose password was right.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedUser {
    /// The user.
    pub user: Uuid,
    /// A fingerprint of the account's credentials: if password or second factor change, the flow state is no longer
    /// valid.
    pub tag: String,
}

/// How far a sign-in has got. No `Debug`: it holds an app's `state`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlowState {
    /// Asking for the password, for an app or (`None`) the account itself.
    SignIn(Option<AuthorizationRequest>),
    /// Asking for the second factor.
    SecondFactor(Option<AuthorizationRequest>, VerifiedUser),
    /// Asking whether the app may have access.
    Consent(AuthorizationRequest, VerifiedUser),
    /// A form outside of a sign-in: sign-up, a new password, the account.
    Form,
}

impl FlowState {
    fn lifetime_seconds(&self) -> i64 {
        match self {
            Self::SignIn(_) | Self::Form => PAGE_SECONDS,
            Self::SecondFactor(..) | Self::Consent(..) => VERIFIED_SECONDS,
        }
    }

    /// The request of the app, by which the flow can be started again.
    pub fn request(&self) -> Option<&AuthorizationRequest> {
        match self {
            Self::SignIn(request) | Self::SecondFactor(request, _) => request.as_ref(),
            Self::Consent(request, _) => Some(request),
            Self::Form => None,
        }
    }
}

/// A token that was read.
pub enum FlowToken {
    /// Of this state.
    Valid(FlowState),
    /// Of this state, but too old.
    Expired(FlowState),
    /// Not signed by this server for this browser.
    Invalid,
}

#[derive(Serialize, Deserialize)]
struct SignedState {
    /// Seconds since 1970.
    signed_at: i64,
    /// Makes the tokens of two pages differ, so that a form of one is never taken for a second click on the other.
    nonce: Uuid,
    state: FlowState,
}

/// Signs and verifies flow state. No `Debug`: it holds secrets.
pub(super) struct FlowSigner(DerivedKeys);

impl FlowSigner {
    /// With keys derived from these signing keys, the newest first.
    pub(super) fn new(keys: &[SigningKey]) -> Result<Self, Fault> {
        DerivedKeys::new(keys, LABEL).map(Self)
    }

    /// A token of this state for this browser.
    pub(super) fn sign(&self, state: FlowState, browser: &str, now_seconds: i64) -> Result<String, Fault> {
        let json = serde_json::to_vec(&SignedState { signed_at: now_seconds, nonce: Uuid::new_v4(), state })
            .map_err(Fault::internal)?;
        let mac = mac(self.0.newest()?, browser, &json).map_err(Fault::internal)?.finalize().into_bytes();
        Ok(format!("{}.{}", BASE64URL_NOPAD.encode(&json), BASE64URL_NOPAD.encode(&mac)))
    }

    /// Reads a token of this browser.
    pub(super) fn read(&self, token: &str, browser: &str, now_seconds: i64) -> FlowToken {
        let Some(SignedState { signed_at, state, .. }) = self.verified(token, browser, now_seconds) else {
            return FlowToken::Invalid;
        };
        let age = now_seconds - signed_at;
        if age < 0 || age >= state.lifetime_seconds() {
            FlowToken::Expired(state)
        } else {
            FlowToken::Valid(state)
        }
    }

    fn verified(&self, token: &str, browser: &str, now_seconds: i64) -> Option<SignedState> {
        let (json, signature) = token.split_once('.').filter(|_| token.len() <= MAX_TOKEN_BYTES)?;
        let json = BASE64URL_NOPAD.decode(json.as_bytes()).ok()?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
        // `verify_slice` compares in constant time.
        let is_by = |key| mac(key, browser, &json).is_ok_and(|mac| mac.verify_slice(&signature).is_ok());
        self.0.verifying(now_seconds).any(is_by).then(|| serde_json::from_slice(&json).ok())?
    }
}

fn mac(key: &[u8; 32], browser: &str, json: &[u8]) -> Result<Hmac<Sha256>, hmac::digest::InvalidLength> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    // Hashed to a fixed length, so that no two pairs of cookie and state are the same bytes.
    mac.update(&Sha256::digest(browser));
    mac.update(json);
    Ok(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> FlowSigner {
        FlowSigner::new(&[SigningKey { kid: "k".into(), secret: [7; 32], replaced_at: None }]).expect("keys")
    }

    fn is_valid(read: &FlowToken) -> bool {
        matches!(read, FlowToken::Valid(_))
    }

    #[test]
    fn a_token_is_valid_in_its_own_browser_until_its_page_expires() {
        let user = VerifiedUser { user: Uuid::nil(), tag: "t".into() };
        for (state, seconds) in
            [(FlowState::SignIn(None), PAGE_SECONDS), (FlowState::SecondFactor(None, user), VERIFIED_SECONDS)]
        {
            let token = signer().sign(state.clone(), "browser", 1_000).expect("a token");
            assert!(
                matches!(signer().read(&token, "browser", 1_000), FlowToken::Valid(read) if read == state)
            );
            assert!(is_valid(&signer().read(&token, "browser", 999 + seconds)));
            assert!(
                matches!(signer().read(&token, "browser", 1_000 + seconds), FlowToken::Expired(read) if read == state)
            );
            assert!(matches!(signer().read(&token, "another", 1_000), FlowToken::Invalid));
            assert!(matches!(signer().read(&token, "", 1_000), FlowToken::Invalid));
        }
    }

    #[test]
    fn no_character_of_a_token_can_be_changed() {
        let token = signer().sign(FlowState::Form, "browser", 0).expect("a token");
        for index in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(matches!(signer().read(&changed, "browser", 0), FlowToken::Invalid), "character {index}");
        }
        for garbage in ["", ".", "a.b", &"a".repeat(100_000)] {
            assert!(matches!(signer().read(garbage, "browser", 0), FlowToken::Invalid));
        }
    }
}
