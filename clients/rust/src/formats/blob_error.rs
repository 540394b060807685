//! Why a blob was refused, or could not be sealed.

use super::malformed::Malformed;

/// Why a blob was refused, or could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// The blob has no wrapped key: it was not uploaded by this SDK.
    #[error("the blob has no key")]
    NoKey,
    /// The blob's key is wrapped under a master key that this vault does not hold.
    #[error("this vault holds key version {have}, the blob's key needs {want}")]
    WrongKey {
        /// The vault's current key version.
        have: u32,
        /// The key version of the wrapped key.
        want: u32,
    },
    /// The wrapped key does not open: it is of another blob or vault, or was changed.
    #[error("the blob's key does not open")]
    KeyDoesNotOpen,
    /// The hash of the bytes is not the name.
    #[error("the bytes are not those of this name")]
    OtherBytes,
    /// An authentication tag does not match: other bytes, another order, or another key.
    #[error("the blob does not open")]
    DoesNotOpen,
    /// It opens, but the content is not the one that the key was derived from.
    #[error("the content is not that of this key")]
    OtherContent,
    /// The bytes are not a blob.
    #[error("malformed blob: {0}")]
    Malformed(#[from] Malformed),
    /// It was sealed as a whole, and is larger than what may be held in memory.
    #[error("too large to be opened in memory")]
    TooLarge,
    /// There are more or fewer bytes than the header says.
    #[error("the length is not that of the header")]
    LengthMismatch,
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness,
}

impl BlobError {
    /// Returns the reason in snake_case, as in the vectors.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::WrongKey { .. } => "wrong_key",
            Self::KeyDoesNotOpen => "key_does_not_open",
            Self::OtherBytes => "other_bytes",
            Self::DoesNotOpen => "does_not_open",
            Self::OtherContent => "other_content",
            Self::Malformed(malformed) => malformed.code(),
            Self::TooLarge => "too_large",
            Self::LengthMismatch => "length_mismatch",
            Self::NoRandomness => "no_randomness",
        }
    }
}

impl From<getrandom::Error> for BlobError {
    fn from(_: getrandom::Error) -> Self {
        Self::NoRandomness
    }
}
