//! Why bytes were refused. Each reason has one snake_case code, which the vectors and the quarantine of unreadable entries
//! use; none of them carries anything that was secret.

use super::kdf::KdfCost;
use super::slot::SlotKind;

/// How bytes fail to be what they claim to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes end before a field does.
    #[error("ends early")]
    Truncated,
    /// Bytes follow the last field.
    #[error("trailing bytes")]
    TrailingBytes,
    /// The first four bytes name no form that is known here.
    #[error("not of this form")]
    UnknownForm,
    /// A flag is set that this version does not know.
    #[error("unknown flags")]
    UnknownFlags,
    /// `min_format` is zero, which no version writes.
    #[error("format version zero")]
    BadMinFormat,
    /// The kind of a frame is none of 1, 2, 3.
    #[error("unknown kind of entry")]
    UnknownKind,
    /// A delete that is no tombstone, or a tombstone that is no delete.
    #[error("kind of entry does not fit its operation")]
    KindOpMismatch,
    /// A tombstone with a payload.
    #[error("tombstone with a payload")]
    TombstonePayload,
    /// The first entry of a stream names a predecessor.
    #[error("first entry of a stream with a predecessor")]
    PrevAtStart,
    /// The frame is neither unpadded nor padded to exactly its Padmé length.
    #[error("wrong length of padding")]
    PaddingLength,
    /// Padding that is not all zeros.
    #[error("padding that is not zero")]
    PaddingNotZero,
    /// A name inside the frame is not UTF-8.
    #[error("name is not UTF-8")]
    NameNotUtf8,
    /// The vault hides names, the frame carries none.
    #[error("names are missing")]
    NamesMissing,
    /// The vault does not hide names, the frame carries some.
    #[error("names where none belong")]
    NamesUnexpected,
    /// The names in the frame are not those that the wire stands for.
    #[error("names do not match the wire")]
    NamesMismatch,
    /// An envelope without slots, or with more than there are types.
    #[error("wrong number of key slots")]
    SlotCount,
    /// A key slot of a type that this version does not know.
    #[error("unknown type of key slot")]
    UnknownSlot,
    /// Key slots that are not in ascending order of type, at most one of each.
    #[error("key slots out of order")]
    SlotOrder,
    /// Argon2 costs on a slot that is not opened by a passphrase.
    #[error("costs on a key slot that has none")]
    SlotCost,
    /// Earlier masters that are not in strictly ascending order below the current one, or too many.
    #[error("earlier keys out of order")]
    EarlierKeys,
    /// The check sum of stored key material does not fit.
    #[error("damaged")]
    CheckSum,
    /// Chunks of a size that this version does not read.
    #[error("unknown size of chunks")]
    ChunkSize,
    /// A blob of more chunks than can be numbered.
    #[error("too long to be a blob")]
    BlobLength,
}

impl Fault {
    /// The reason in snake_case, as in the vectors.
    pub fn code(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::TrailingBytes => "trailing_bytes",
            Self::UnknownForm => "unknown_form",
            Self::UnknownFlags => "unknown_flags",
            Self::BadMinFormat => "bad_min_format",
            Self::UnknownKind => "unknown_kind",
            Self::KindOpMismatch => "kind_op_mismatch",
            Self::TombstonePayload => "tombstone_payload",
            Self::PrevAtStart => "prev_at_start",
            Self::PaddingLength => "padding_length",
            Self::PaddingNotZero => "padding_not_zero",
            Self::NameNotUtf8 => "name_not_utf8",
            Self::NamesMissing => "names_missing",
            Self::NamesUnexpected => "names_unexpected",
            Self::NamesMismatch => "names_mismatch",
            Self::SlotCount => "slot_count",
            Self::UnknownSlot => "unknown_slot",
            Self::SlotOrder => "slot_order",
            Self::SlotCost => "slot_cost",
            Self::EarlierKeys => "earlier_keys",
            Self::CheckSum => "check_sum",
            Self::ChunkSize => "chunk_size",
            Self::BlobLength => "blob_length",
        }
    }
}

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
    /// The authentication tag does not fit: another key, another slot, or changed bytes.
    #[error("data does not open")]
    DoesNotOpen,
    /// The entry is under a master key that this vault does not hold, or is to be sealed under one that is not current.
    #[error("this vault holds key version {have}, the entry needs {want}")]
    WrongKey {
        /// The vault's current key version.
        have: u32,
        /// The key version that the entry names.
        want: u32,
    },
    /// What opened is not well formed.
    #[error("malformed: {0}")]
    Malformed(#[from] Fault),
    /// A table over 255 bytes or a row id over 65,535 bytes of UTF-8.
    #[error("name of a table or row is too long")]
    NameTooLong,
    /// The sealed text would exceed [`tidelog_protocol::limits::MAX_DATA_BYTES`].
    #[error("payload is too large to be sealed")]
    TooLarge,
    /// The stream, or the number of key versions, is at its end.
    #[error("counter is exhausted")]
    CounterExhausted,
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness,
}

impl FormatError {
    /// The reason in snake_case, as in the vectors.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotBase64 => "not_base64",
            Self::TooShort => "too_short",
            Self::DoesNotOpen => "does_not_open",
            Self::WrongKey { .. } => "wrong_key",
            Self::Malformed(fault) => fault.code(),
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

/// Why a blob was refused, or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// There is no sealed key with the blob: it was put there by something else than this SDK.
    #[error("there is no key with the blob")]
    NoKey,
    /// The blob's key is sealed under a master key that this vault does not hold.
    #[error("this vault holds key version {have}, the blob's key needs {want}")]
    WrongKey {
        /// The vault's current key version.
        have: u32,
        /// The key version that the sealed key names.
        want: u32,
    },
    /// The sealed key does not open: another blob's, another vault's, or changed.
    #[error("the blob's key does not open")]
    KeyDoesNotOpen,
    /// The bytes are not those that the name stands for.
    #[error("the bytes are not those of this name")]
    OtherBytes,
    /// An authentication tag does not fit: other bytes, another order, or another key.
    #[error("the blob does not open")]
    DoesNotOpen,
    /// It opens, and what comes out is not what the key was made for.
    #[error("the content is not that of this key")]
    OtherContent,
    /// The bytes are no blob.
    #[error("malformed blob: {0}")]
    Malformed(#[from] Fault),
    /// It was sealed whole, and is larger than what may be held in memory.
    #[error("too large to be opened in memory")]
    TooLarge,
    /// More bytes, or fewer, were given than were announced.
    #[error("the length is not the one that was announced")]
    LengthMismatch,
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness,
}

impl BlobError {
    /// The reason in snake_case, as in the vectors.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::WrongKey { .. } => "wrong_key",
            Self::KeyDoesNotOpen => "key_does_not_open",
            Self::OtherBytes => "other_bytes",
            Self::DoesNotOpen => "does_not_open",
            Self::OtherContent => "other_content",
            Self::Malformed(fault) => fault.code(),
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

/// Why a key envelope was refused, or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The passphrase is not the one that wrapped the key.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// The recovery code is well formed but not this vault's.
    #[error("wrong recovery code")]
    WrongRecoveryCode,
    /// The link slot is not from this vault's current master.
    #[error("not linked from this key")]
    WrongPreviousKey,
    /// The envelope has no slot that this kind of secret opens.
    #[error("envelope has no {0} slot")]
    NoSlot(SlotKind),
    /// The secret was right, but the envelope was put together by someone else.
    #[error("envelope was tampered with")]
    Tampered,
    /// The envelope needs a newer version of this library.
    #[error("envelope needs format {min_format}")]
    TooNew {
        /// The format that a reader must know.
        min_format: u8,
    },
    /// The cost of the passphrase slot is outside what is accepted; nothing was computed.
    #[error("Argon2 cost outside the accepted range: {0}")]
    KdfCost(KdfCost),
    /// The bytes are no envelope.
    #[error("malformed envelope: {0}")]
    Malformed(#[from] Fault),
    /// Over [`super::envelope::MAX_ENVELOPE_BYTES`].
    #[error("envelope is too large")]
    TooLarge,
    /// An empty passphrase protects nothing.
    #[error("passphrase is empty")]
    EmptyPassphrase,
    /// A slot to be written belongs to another vault or key.
    #[error("slot belongs to another key")]
    ForeignSlot,
    /// Argon2's memory could not be allocated.
    #[error("not enough memory for the passphrase")]
    OutOfMemory,
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness,
}

impl EnvelopeError {
    /// The reason in snake_case, as in the vectors.
    pub fn code(self) -> &'static str {
        match self {
            Self::WrongPassphrase => "wrong_passphrase",
            Self::WrongRecoveryCode => "wrong_recovery_code",
            Self::WrongPreviousKey => "wrong_previous_key",
            Self::NoSlot(_) => "no_slot",
            Self::Tampered => "tampered",
            Self::TooNew { .. } => "too_new",
            Self::KdfCost(_) => "kdf_cost",
            Self::Malformed(fault) => fault.code(),
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
