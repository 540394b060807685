//! Why an entry, a stream or stored key material was refused.

use super::malformed::Malformed;

/// Why an entry, a stream or stored key material was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// `data` is not canonical standard base64 with padding.
    #[error("data is not base64")]
    NotBase64,
    /// `data` is shorter than the 40 bytes that sealing adds.
    #[error("data is too short to be sealed")]
    TooShort,
    /// The authentication tag does not match: another key, another slot, or changed bytes.
    #[error("data does not open")]
    DoesNotOpen,
    /// The entry is under a master key that this vault does not hold, or should be sealed under one that is not
    /// current.
    #[error("this vault holds key version {have}, the entry needs {want}")]
    WrongKey {
        /// The vault's current key version.
        have: u32,
        /// The key version of the entry.
        want: u32,
    },
    /// The plaintext is malformed.
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    /// A table of more than 255 bytes, or a row id of more than 65,535 bytes, in UTF-8.
    #[error("name of table or row is too long")]
    NameTooLong,
    /// The sealed text would exceed [`tidelog_protocol::limits::MAX_DATA_BYTES`].
    #[error("payload is too large to be sealed")]
    TooLarge,
    /// The counter of a stream or the key version is at its maximum.
    #[error("counter is exhausted")]
    CounterExhausted,
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness,
}

impl FormatError {
    /// Returns the reason in snake_case, as in the vectors.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotBase64 => "not_base64",
            Self::TooShort => "too_short",
            Self::DoesNotOpen => "does_not_open",
            Self::WrongKey { .. } => "wrong_key",
            Self::Malformed(malformed) => malformed.code(),
            Self::NameTooLong => "name_too_long",
            Self::TooLarge => "too_large",
            Self::CounterExhausted => "counter_exhausted",
            Self::NoRandomness => "no_randomness",
        }
    }
}

impl From<getrandom::Error> for FormatError {
    fn from(_: getrandom::Error) -> Self {
        Self::NoRandomness
    }
}
