//! The ways in which bytes are malformed. Each has one snake_case code, which the vectors use; none carries anything
//! secret.

/// How bytes are malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The bytes end before a field does.
    #[error("ends early")]
    Truncated,
    /// Bytes follow the last field.
    #[error("trailing bytes")]
    TrailingBytes,
    /// The magic bytes are not those of this format.
    #[error("not in this format")]
    UnknownForm,
    /// A flag is set that this version does not know.
    #[error("unknown flags")]
    UnknownFlags,
    /// `min_format` is zero, which no version writes.
    #[error("format version zero")]
    BadMinFormat,
    /// The kind of a frame is none of 1, 2 and 3.
    #[error("unknown kind of entry")]
    UnknownKind,
    /// A delete that is not a tombstone, or a tombstone that is not a delete.
    #[error("kind of entry does not match its operation")]
    KindOpMismatch,
    /// A tombstone with a payload.
    #[error("tombstone with a payload")]
    TombstonePayload,
    /// The first entry of a stream links to a predecessor.
    #[error("first entry of a stream with a predecessor")]
    PrevAtStart,
    /// The frame is neither unpadded nor padded to exactly its Padmé length.
    #[error("wrong length of padding")]
    PaddingLength,
    /// Padding that is not all zeros.
    #[error("padding is not zero")]
    PaddingNotZero,
    /// A name inside the frame is not UTF-8.
    #[error("name is not UTF-8")]
    NameNotUtf8,
    /// The vault hides names, but the frame has none.
    #[error("names are missing")]
    NamesMissing,
    /// The vault does not hide names, but the frame has some.
    #[error("unexpected names")]
    NamesUnexpected,
    /// The names in the frame are not those that the names on the wire stand for.
    #[error("names do not match those on the wire")]
    NamesMismatch,
    /// An envelope without slots, or with more slots than there are types.
    #[error("wrong number of key slots")]
    SlotCount,
    /// A key slot of a type that this version does not know.
    #[error("unknown type of key slot")]
    UnknownSlot,
    /// Key slots that are not in ascending order of type, at most one of each.
    #[error("key slots out of order")]
    SlotOrder,
    /// A slot without a passphrase has an Argon2 cost.
    #[error("unexpected cost on a key slot")]
    SlotCost,
    /// Too many earlier master keys, or ones that are not in strictly ascending order below the current one.
    #[error("earlier keys out of order")]
    EarlierKeys,
    /// The checksum of stored key material does not match.
    #[error("damaged")]
    CheckSum,
    /// A chunk size that this version does not read.
    #[error("unknown chunk size")]
    ChunkSize,
    /// A blob with more chunks than can be numbered.
    #[error("too long to be a blob")]
    BlobLength,
}

impl Malformed {
    /// Returns the reason in snake_case, as in the vectors.
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
