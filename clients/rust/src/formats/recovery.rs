//! The recovery code: the way back into a vault when the passphrase is forgotten, to be printed and put away.
//!
//! ```text
//! base32(0x01 ‖ secret[32] ‖ SHA-256("tidelog/recovery/1" ‖ 0x01 ‖ secret)[..2])
//! ```
//!
//! RFC 4648 alphabet, upper case, 56 characters without padding, shown as 14 groups of four joined by hyphens. When read,
//! spaces, tabs, line ends, no-break spaces (U+00A0) and hyphens are skipped wherever they stand, and lower case is as good
//! as upper. Nothing else is forgiven: 0, 1, 8 and 9 are not in the alphabet and are refused, not guessed at. What is
//! checked, in this order: alphabet, length, first byte, check sum.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::keys::{KEY_BYTES, Secret};

/// Characters of a code without what separates its groups.
pub const CODE_CHARS: usize = 56;

const GROUP_CHARS: usize = 4;
const VERSION: u8 = 1;
const CHECK_BYTES: usize = 2;
const CODE_BYTES: usize = 1 + KEY_BYTES + CHECK_BYTES;
const LABEL: &[u8] = b"tidelog/recovery/1";

/// Why a text is no recovery code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryCodeError {
    /// A character that is in no code.
    #[error("character that is in no recovery code")]
    Alphabet,
    /// Not 56 characters.
    #[error("recovery codes have 56 characters")]
    Length,
    /// Written by a newer version of this library.
    #[error("unknown kind of recovery code")]
    Version,
    /// Mistyped.
    #[error("recovery code is mistyped")]
    CheckSum,
}

impl RecoveryCodeError {
    /// The reason in snake_case, as in the vectors.
    pub fn code(self) -> &'static str {
        match self {
            Self::Alphabet => "alphabet",
            Self::Length => "length",
            Self::Version => "version",
            Self::CheckSum => "check_sum",
        }
    }
}

/// A secret that opens the recovery slot of an envelope.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(Secret);

impl RecoveryCode {
    /// A new code.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        Secret::random().map(Self)
    }

    /// The code of this secret.
    pub fn from_secret(secret: Secret) -> Self {
        Self(secret)
    }

    /// The secret: the PRK of the recovery slot.
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    /// The code as it is shown, in groups.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; CODE_BYTES]);
        bytes[0] = VERSION;
        bytes[1..=KEY_BYTES].copy_from_slice(self.0.expose());
        let (content, check) = bytes.split_at_mut(1 + KEY_BYTES);
        check.copy_from_slice(&check_sum(content));
        let letters = Zeroizing::new(BASE32_NOPAD.encode(bytes.as_slice()));
        let mut text = Zeroizing::new(String::with_capacity(CODE_CHARS + CODE_CHARS / GROUP_CHARS));
        for (at, letter) in letters.chars().enumerate() {
            if at > 0 && at % GROUP_CHARS == 0 {
                text.push('-');
            }
            text.push(letter);
        }
        text
    }

    /// Reads a code as a person typed it.
    ///
    /// # Errors
    /// The first [`RecoveryCodeError`] found.
    pub fn parse(text: &str) -> Result<Self, RecoveryCodeError> {
        let letters = letters(text)?;
        let mut bytes = Zeroizing::new([0; CODE_BYTES]);
        BASE32_NOPAD
            .decode_mut(letters.as_slice(), bytes.as_mut_slice())
            .map_err(|_| RecoveryCodeError::Alphabet)?;
        let (content, check) = bytes.split_at(1 + KEY_BYTES);
        if content[0] != VERSION {
            return Err(RecoveryCodeError::Version);
        }
        if !bool::from(check_sum(content).ct_eq(check)) {
            return Err(RecoveryCodeError::CheckSum);
        }
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        secret.copy_from_slice(&content[1..]);
        Ok(Self(Secret::new(*secret)))
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("RecoveryCode(..)")
    }
}

/// The 56 letters of a code without what separates them.
fn letters(text: &str) -> Result<Zeroizing<[u8; CODE_CHARS]>, RecoveryCodeError> {
    let mut letters = Zeroizing::new([0; CODE_CHARS]);
    let mut count = 0;
    for letter in text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{a0}' | '-')) {
        let letter = letter.to_ascii_uppercase();
        if !matches!(letter, 'A'..='Z' | '2'..='7') {
            return Err(RecoveryCodeError::Alphabet);
        }
        if let Some(place) = letters.get_mut(count) {
            *place = u8::try_from(letter).map_err(|_| RecoveryCodeError::Alphabet)?;
        }
        count += 1;
    }
    if count == CODE_CHARS { Ok(letters) } else { Err(RecoveryCodeError::Length) }
}

fn check_sum(content: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = Sha256::new().chain_update(LABEL).chain_update(content).finalize();
    [hash[0], hash[1]]
}
