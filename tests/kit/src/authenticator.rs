//! An authenticator app (TOTP).

use data_encoding::BASE32_NOPAD;
use totp_rs::Builder;

/// A TOTP secret.
pub struct Authenticator(Vec<u8>);

impl Authenticator {
    /// Decodes the secret as a user would type it: base32, spaces ignored.
    pub fn new(secret: &str) -> Self {
        let letters: String = secret.chars().filter(|char| !char.is_whitespace()).collect();
        Self(BASE32_NOPAD.decode(letters.as_bytes()).expect("a secret in base32"))
    }

    /// Returns the code at this time, in seconds since 1970.
    pub fn code(&self, seconds: i64) -> String {
        let totp = Builder::new().with_secret(self.0.clone()).build_noncompliant();
        totp.generate(u64::try_from(seconds).expect("after 1970")).to_string()
    }
}
