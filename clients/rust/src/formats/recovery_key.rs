//! The recovery key: opens the key envelope when the passphrase is forgotten. To be printed and kept in a safe place.
//!
//! ```text
//! base32(0x01 ‖ secret[32] ‖ SHA-256("tidelog/recovery/1" ‖ 0x01 ‖ secret)[..2])
//! ```
//!
//! RFC 4648 alphabet, upper case, 56 characters without padding, displayed as 14 groups of four joined by hyphens.
//! Parsing skips spaces, tabs, line ends, no-break spaces (U+00A0) and hyphens anywhere, and accepts lower case. It
//! accepts nothing else: 0, 1, 8 and 9 are not in the alphabet, and are refused instead of guessed. Checked in this
//! order: alphabet, length, first byte, checksum.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::keys::{KEY_BYTES, Secret};

/// Characters of a recovery key without the separators of its groups.
pub const RECOVERY_KEY_CHARS: usize = 56;

const GROUP_CHARS: usize = 4;
const VERSION: u8 = 1;
const CHECK_BYTES: usize = 2;
const TEXT_BYTES: usize = 1 + KEY_BYTES + CHECK_BYTES;
const LABEL: &[u8] = b"tidelog/recovery/1";

/// Why a text is not a recovery key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryKeyError {
    /// A character outside the alphabet.
    #[error("invalid character in a recovery key")]
    Alphabet,
    /// Not 56 characters.
    #[error("a recovery key has 56 characters")]
    Length,
    /// Written by a newer version of this library.
    #[error("unknown kind of recovery key")]
    Version,
    /// The checksum does not match: it was mistyped.
    #[error("the recovery key is mistyped")]
    CheckSum,
}

impl RecoveryKeyError {
    /// Returns the reason in snake_case, as in the vectors.
    pub fn code(self) -> &'static str {
        match self {
            Self::Alphabet => "alphabet",
            Self::Length => "length",
            Self::Version => "version",
            Self::CheckSum => "check_sum",
        }
    }
}

/// The secret that opens the recovery slot of an envelope.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryKey(Secret);

impl RecoveryKey {
    /// Generates a new recovery key.
    ///
    /// # Errors
    /// If the operating system gives no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        Secret::random().map(Self)
    }

    /// Returns the recovery key with this secret.
    pub fn from_secret(secret: Secret) -> Self {
        Self(secret)
    }

    /// Returns the secret, which is the PRK of the recovery slot.
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    /// Returns the recovery key as it is displayed, in groups.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; TEXT_BYTES]);
        bytes[0] = VERSION;
        bytes[1..=KEY_BYTES].copy_from_slice(self.0.expose());
        let (content, check) = bytes.split_at_mut(1 + KEY_BYTES);
        check.copy_from_slice(&check_sum(content));
        let characters = Zeroizing::new(BASE32_NOPAD.encode(bytes.as_slice()));
        let mut text =
            Zeroizing::new(String::with_capacity(RECOVERY_KEY_CHARS + RECOVERY_KEY_CHARS / GROUP_CHARS));
        for (at, character) in characters.chars().enumerate() {
            if at > 0 && at % GROUP_CHARS == 0 {
                text.push('-');
            }
            text.push(character);
        }
        text
    }

    /// Parses a recovery key as a person typed it.
    ///
    /// # Errors
    /// The first [`RecoveryKeyError`] found.
    pub fn parse(text: &str) -> Result<Self, RecoveryKeyError> {
        let characters = characters(text)?;
        let mut bytes = Zeroizing::new([0; TEXT_BYTES]);
        BASE32_NOPAD
            .decode_mut(characters.as_slice(), bytes.as_mut_slice())
            .map_err(|_| RecoveryKeyError::Alphabet)?;
        let (content, check) = bytes.split_at(1 + KEY_BYTES);
        if content[0] != VERSION {
            return Err(RecoveryKeyError::Version);
        }
        if !bool::from(check_sum(content).ct_eq(check)) {
            return Err(RecoveryKeyError::CheckSum);
        }
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        secret.copy_from_slice(&content[1..]);
        Ok(Self(Secret::new(*secret)))
    }
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("RecoveryKey(..)")
    }
}

/// Returns the 56 characters of a recovery key without separators.
fn characters(text: &str) -> Result<Zeroizing<[u8; RECOVERY_KEY_CHARS]>, RecoveryKeyError> {
    let mut characters = Zeroizing::new([0; RECOVERY_KEY_CHARS]);
    let mut count = 0;
    for character in text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{a0}' | '-')) {
        let character = character.to_ascii_uppercase();
        if !matches!(character, 'A'..='Z' | '2'..='7') {
            return Err(RecoveryKeyError::Alphabet);
        }
        if let Some(slot) = characters.get_mut(count) {
            *slot = u8::try_from(character).map_err(|_| RecoveryKeyError::Alphabet)?;
        }
        count += 1;
    }
    if count == RECOVERY_KEY_CHARS { Ok(characters) } else { Err(RecoveryKeyError::Length) }
}

fn check_sum(content: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = Sha256::new().chain_update(LABEL).chain_update(content).finalize();
    [hash[0], hash[1]]
}
