//! Why a key envelope was refused, or could not be sealed.

use super::kdf_cost::KdfCost;
use super::malformed::Malformed;
use super::slot_kind::SlotKind;

/// Why a key envelope was refused, or could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The passphrase is not the one that wrapped the key.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// The recovery key is well formed, but not the one of this vault.
    #[error("wrong recovery key")]
    WrongRecoveryKey,
    /// The link slot is not from this vault's current master key.
    #[error("not linked from this key")]
    WrongPreviousKey,
    /// The envelope has no slot for this kind of secret.
    #[error("envelope has no {0} slot")]
    NoSlot(SlotKind),
    /// The secret is right, but the envelope was assembled by somebody else.
    #[error("envelope was tampered with")]
    Tampered,
    /// The envelope needs a newer version of this library.
    #[error("envelope needs format {min_format}")]
    TooNew {
        /// The lowest version that can read it.
        min_format: u8,
    },
    /// The cost of the passphrase slot is outside the accepted range; nothing was computed.
    #[error("Argon2 cost outside the accepted range: {0}")]
    KdfCost(KdfCost),
    /// The bytes are not an envelope.
    #[error("malformed envelope: {0}")]
    Malformed(#[from] Malformed),
    /// Larger than [`MAX_ENVELOPE_BYTES`](super::envelope::MAX_ENVELOPE_BYTES).
    #[error("envelope is too large")]
    TooLarge,
    /// An empty passphrase protects nothing.
    #[error("passphrase is empty")]
    EmptyPassphrase,
    /// A slot to be carried over belongs to another vault or key.
    #[error("slot belongs to another key")]
    ForeignSlot,
    /// Argon2's memory could not be allocated.
    #[error("not enough memory to derive the key from the passphrase")]
    OutOfMemory,
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness,
}

impl EnvelopeError {
    /// Returns the reason in snake_case, as in the vectors.
    pub fn code(self) -> &'static str {
        match self {
            Self::WrongPassphrase => "wrong_passphrase",
            Self::WrongRecoveryKey => "wrong_recovery_code",
            Self::WrongPreviousKey => "wrong_previous_key",
            Self::NoSlot(_) => "no_slot",
            Self::Tampered => "tampered",
            Self::TooNew { .. } => "too_new",
            Self::KdfCost(_) => "kdf_cost",
            Self::Malformed(malformed) => malformed.code(),
            Self::TooLarge => "too_large",
            Self::EmptyPassphrase => "empty_passphrase",
            Self::ForeignSlot => "foreign_slot",
            Self::OutOfMemory => "out_of_memory",
            Self::NoRandomness => "no_randomness",
        }
    }
}

impl From<getrandom::Error> for EnvelopeError {
    fn from(_: getrandom::Error) -> Self {
        Self::NoRandomness
    }
}
