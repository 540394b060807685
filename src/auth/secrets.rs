//! Secrets that carry their own entropy: API keys and refresh tokens. They are stored as SHA-256, which is enough for 256
//! random bits, and looked up by that hash, so no comparison of the secret itself can leak time.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::error::Fault;

/// What every API key starts with, so that scanners and people recognise one.
pub const API_KEY_PREFIX: &str = "tla_";
/// What every refresh token starts with.
const REFRESH_PREFIX: &str = "tlr_";
/// Separates the use of HMAC that makes refresh tokens from any other.
const REFRESH_LABEL: &[u8] = b"tidelog/refresh/1";

/// 256 random bits.
///
/// # Errors
/// The operating system has no randomness to give.
pub fn random_256() -> Result<[u8; 32], Fault> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(Fault::internal)?;
    Ok(bytes)
}

/// A new API key.
///
/// # Errors
/// The operating system has no randomness to give.
pub fn new_api_key() -> Result<String, Fault> {
    new_secret(API_KEY_PREFIX)
}

/// A new secret of 256 random bits after a prefix by which scanners and people recognise it.
///
/// # Errors
/// The operating system has no randomness to give.
pub fn new_secret(prefix: &str) -> Result<String, Fault> {
    Ok(format!("{prefix}{}", BASE64URL_NOPAD.encode(&random_256()?)))
}

/// What is stored of a secret.
pub fn hash_secret(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// The first refresh token of a session.
pub(super) fn first_refresh_token(random: &[u8; 32]) -> String {
    refresh_token(random)
}

/// The refresh token that follows `token`: the same one for the same `rotation`, so an exchange whose answer was lost can be
/// repeated, and nothing that is stored can make it without the predecessor.
pub(super) fn next_refresh_token(token: &str, rotation: &[u8; 32]) -> Result<String, Fault> {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).map_err(Fault::internal)?;
    mac.update(REFRESH_LABEL);
    mac.update(rotation);
    Ok(refresh_token(&mac.finalize().into_bytes().into()))
}

fn refresh_token(bits: &[u8; 32]) -> String {
    format!("{REFRESH_PREFIX}{}", BASE64URL_NOPAD.encode(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_exchange_gives_the_same_successor_and_another_rotation_another_one() {
        let token = first_refresh_token(&[7; 32]);
        let successor = next_refresh_token(&token, &[1; 32]).expect("HMAC takes any key");
        assert_eq!(successor, next_refresh_token(&token, &[1; 32]).expect("HMAC takes any key"));
        assert_ne!(successor, next_refresh_token(&token, &[2; 32]).expect("HMAC takes any key"));
    }
}
