//! Tokens of administrators and of whoever publishes releases. They are random, long, and stored hashed; see `secrets`.

use data_encoding::BASE64URL_NOPAD;

use super::secrets::{hash_secret, random_256};
use super::tokens::bearer;
use crate::error::Fault;

/// What every such token starts with, so that scanners and people recognise one.
const PREFIX: &str = "tlp_";

/// A new token.
///
/// # Errors
/// The operating system has no randomness to give.
pub fn new_access_token() -> Result<String, Fault> {
    Ok(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&random_256()?)))
}

/// A header that bears such a token, whether it is in force or not.
pub(super) struct AccessTokenBearer<'a>(&'a str);

impl<'a> AccessTokenBearer<'a> {
    pub(super) fn of(authorization: &'a str) -> Option<Self> {
        bearer(authorization).filter(|token| token.starts_with(PREFIX)).map(Self)
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        hash_secret(self.0)
    }
}
