//! Blobs: their names and sizes, and whether an upload is what was announced.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use tidelog_protocol::limits::{BLOB_OVERHEAD_BYTES, MAX_WRAPPED_KEY_BYTES};
use uuid::Uuid;

/// What is wrong with a name that is not a [`BlobHash`].
pub const HASH_FORMAT: &str = "must be 64 lower-case hexadecimal digits";

/// A blob's name: normally the SHA-256 of its bytes, though a client may use the hash of the plaintext.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlobHash(pub [u8; 32]);

impl BlobHash {
    /// Parses 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        // The length first, so that nobody can have megabytes decoded.
        let bytes = (text.len() == 64).then(|| HEXLOWER.decode(text.as_bytes()).ok())??;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for BlobHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for BlobHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// What an app requires of the names of blobs (its setting `blob_hash`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashRule {
    /// Nothing, so that clients may name blobs by their plaintext.
    #[default]
    Any,
    /// The SHA-256 of the stored bytes.
    Verified,
}

impl HashRule {
    /// Returns the name of the rule in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Verified => "verified",
        }
    }

    /// Returns the rule with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Any, Self::Verified].into_iter().find(|rule| rule.name() == name)
    }
}

/// Where an object is in the blob store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// Among uploads that are not confirmed.
    Pending,
    /// Among confirmed blobs.
    Final,
}

/// Size and hash of what an object holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Bytes that are stored.
    pub bytes: u64,
    /// Their SHA-256. `None` if it was not computed.
    pub hash: Option<[u8; 32]>,
}

/// An upload that was granted and is not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The upload's id, and the id of its object if the client sends it to the store itself.
    pub id: Uuid,
    /// The blob's name.
    pub hash: BlobHash,
    /// Its announced size.
    pub size_bytes: u64,
    /// The object that was received through this server, and its content.
    pub received: Option<(Uuid, Content)>,
}

/// Whether a blob with this announced size may have so many bytes. A client may announce the size of the plaintext.
pub fn is_size_of(announced: u64, bytes: u64) -> bool {
    bytes == announced || announced.checked_add(BLOB_OVERHEAD_BYTES) == Some(bytes)
}

/// Compares an upload with what was announced when it was granted and now. Returns whether its bytes are known to
/// hash to the name, or `None` if it is not what was announced.
pub fn verify(rule: HashRule, upload: &Upload, size_bytes: u64, found: &Content) -> Option<bool> {
    let verified = found.hash == Some(upload.hash.0);
    let fits = match rule {
        HashRule::Any => is_size_of(upload.size_bytes, found.bytes) && is_size_of(size_bytes, found.bytes),
        HashRule::Verified => upload.size_bytes == found.bytes && size_bytes == found.bytes && verified,
    };
    fits.then_some(verified)
}

/// A confirmed blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its name.
    pub hash: BlobHash,
    /// The object that holds it.
    pub object: Uuid,
    /// Bytes that are stored.
    pub size_bytes: u64,
    /// Its sealed key, if the client sent one.
    pub key: Option<SealedKey>,
    /// Whether the bytes are known to hash to the name.
    pub verified: bool,
    /// When it was confirmed, in microseconds since 1970.
    pub created_at: i64,
}

/// The sealed key of a blob.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedKey {
    /// Opaque to the server.
    pub wrapped_key: Vec<u8>,
    /// Version of the master key that sealed it; 0 if the server knew of none.
    pub key_version: u32,
}

impl fmt::Debug for SealedKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SealedKey").field("key_version", &self.key_version).finish_non_exhaustive()
    }
}

/// Decodes a sealed key from base64.
///
/// # Errors
/// Says what is wrong with it, for a person.
pub fn decode_wrapped_key(text: &str) -> Result<Vec<u8>, &'static str> {
    let too_long = text.len() > BASE64.encode_len(MAX_WRAPPED_KEY_BYTES);
    let bytes = if too_long { None } else { BASE64.decode(text.as_bytes()).ok() };
    let fits = |bytes: &Vec<u8>| (1..=MAX_WRAPPED_KEY_BYTES).contains(&bytes.len());
    bytes.filter(fits).ok_or("must be standard base64, with padding, of 1 to 256 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_64_lower_case_digits_and_nothing_else() {
        let name = "0123456789abcdef".repeat(4);
        assert_eq!(BlobHash::parse(&name).expect("a name").to_string(), name);
        let (short, long) = (&name[1..], name.clone() + "0");
        for wrong in ["", short, &long, &name.to_uppercase(), &name.replace('0', "g"), &"é".repeat(32)] {
            assert_eq!(BlobHash::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_size_is_as_announced_or_larger_by_what_sealing_adds() {
        assert!(is_size_of(0, 0) && is_size_of(0, 40) && is_size_of(5, 45));
        assert!(!is_size_of(5, 4) && !is_size_of(5, 6) && !is_size_of(5, 44) && !is_size_of(45, 5));
        assert!(is_size_of(u64::MAX, u64::MAX) && !is_size_of(u64::MAX, 39));
    }

    #[test]
    fn a_verified_blob_has_exactly_its_size_and_its_hash() {
        let upload = Upload { id: Uuid::nil(), hash: BlobHash([1; 32]), size_bytes: 10, received: None };
        let verify = |rule, size_bytes, bytes, hash| {
            super::verify(rule, &upload, size_bytes, &Content { bytes, hash })
        };
        let (right, wrong) = (Some([1; 32]), Some([2; 32]));
        assert_eq!(verify(HashRule::Verified, 10, 10, right), Some(true));
        for (size_bytes, bytes, hash) in [(10, 50, right), (50, 50, right), (10, 10, wrong), (10, 10, None)] {
            assert_eq!(verify(HashRule::Verified, size_bytes, bytes, hash), None);
        }
        assert_eq!(verify(HashRule::Any, 10, 10, right), Some(true));
        assert_eq!(verify(HashRule::Any, 10, 50, wrong), Some(false));
        assert_eq!(verify(HashRule::Any, 50, 50, None), Some(false));
        // An upload that was granted as small must not be confirmed as large.
        assert_eq!(verify(HashRule::Any, 90, 90, right), None);
    }
}
