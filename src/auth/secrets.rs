//! Random secrets: API keys, tokens, cookies. They are stored as SHA-256, which is enough for 256 random bits, and
//! looked up by that hash, so no comparison of the secret itself can leak time.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::error::Fault;

/// Prefix of API keys. Prefixes let people and secret scanners recognise what they have found.
pub const API_KEY_PREFIX: &str = "tla_";
/// Prefix of refresh tokens.
const REFRESH_TOKEN_PREFIX: &str = "tlr_";
/// Separates the HMACs that make refresh tokens from any others.
const REFRESH_LABEL: &[u8] = b"tidelog/refresh/1";

/// 256 random bits.
pub fn random_256() -> Result<[u8; 32], Fault> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(Fault::internal)?;
    Ok(bytes)
}

/// Generates an API key.
pub fn new_api_key() -> Result<String, Fault> {
    new_secret(API_KEY_PREFIX)
}

/// Generates a secret of 256 random bits, with this prefix.
pub fn new_secret(prefix: &str) -> Result<String, Fault> {
    Ok(format!("{prefix}{}", BASE64URL_NOPAD.encode(&random_256()?)))
}

/// The hash of a secret, as stored.
pub fn hash_secret(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// The token of an `Authorization: Bearer …` header.
pub(super) fn bearer_token(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The first refresh token of a session.
pub(super) fn first_refresh_token() -> Result<String, Fault> {
    Ok(refresh_token(&random_256()?))
}

/// The refresh token that follows `token`. It is the same for the same `nonce`, so an exchange whose answer was lost
/// can be repeated; without the predecessor it cannot be derived from anything that is stored.
pub(super) fn next_refresh_token(token: &str, nonce: &[u8; 32]) -> Result<String, Fault> {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).map_err(Fault::internal)?;
    mac.update(REFRESH_LABEL);
    mac.update(nonce);
    Ok(refresh_token(&mac.finalize().into_bytes().into()))
}

fn refresh_token(bits: &[u8; 32]) -> String {
    format!("{REFRESH_TOKEN_PREFIX}{}", BASE64URL_NOPAD.encode(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_exchange_gives_the_same_successor_and_another_nonce_another_one() {
        let token = refresh_token(&[7; 32]);
        let successor = next_refresh_token(&token, &[1; 32]).expect("HMAC takes any key");
        assert_eq!(successor, next_refresh_token(&token, &[1; 32]).expect("HMAC takes any key"));
        assert_ne!(successor, next_refresh_token(&token, &[2; 32]).expect("HMAC takes any key"));
    }
}
