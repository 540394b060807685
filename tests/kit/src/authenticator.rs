//! The program on a person's phone that makes codes.

use data_encoding::BASE32_NOPAD;
use totp_rs::Builder;

/// A secret that the phone was told.
pub struct Authenticator(Vec<u8>);

impl Authenticator {
    /// With the secret that a person typed.
    pub fn new(secret: &str) -> Self {
        let letters: String = secret.chars().filter(|char| !char.is_whitespace()).collect();
        Self(BASE32_NOPAD.decode(letters.as_bytes()).expect("a secret in base32"))
    }

    /// What it shows at this time, in seconds since 1970.
    pub fn code(&self, seconds: i64) -> String {
        let totp = Builder::new().with_secret(self.0.clone()).build_noncompliant();
        totp.generate(u64::try_from(seconds).expect("after 1970")).to_string()
    }
}
