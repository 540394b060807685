//! Blobs: what one may be called, how large it may be, and whether what was uploaded is what was announced.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use tidelog_protocol::limits::{BLOB_OVERHEAD_BYTES, MAX_WRAPPED_KEY_BYTES};
use uuid::Uuid;

/// What a blob's name must look like.
pub const HASH_SHAPE: &str = "must be 64 lower-case hexadecimal digits";

/// A blob's name: as a rule the SHA-256 of its bytes, though a client may name it by what is sealed inside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlobHash(pub [u8; 32]);

impl BlobHash {
    /// Of 64 lower-case hexadecimal digits. `None`: it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        // The length first: nobody's megabytes are to be decoded.
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

/// What an app asks of a blob's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashRule {
    /// Nothing: its clients may name a blob by its plaintext.
    #[default]
    Any,
    /// It is the SHA-256 of the bytes that are stored.
    Verified,
}

impl HashRule {
    /// As operators write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Verified => "verified",
        }
    }

    /// The rule of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Any, Self::Verified].into_iter().find(|rule| rule.name() == name)
    }
}

/// Which part of the store an object lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where uploads arrive.
    Pending,
    /// Where confirmed blobs are.
    Final,
}

/// What has been received of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Bytes that are stored.
    pub bytes: u64,
    /// Their SHA-256. `None`: nobody has looked.
    pub hash: Option<[u8; 32]>,
}

/// An upload that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Names it, and the object where clients send to the store themselves.
    pub id: Uuid,
    /// The blob's name.
    pub hash: BlobHash,
    /// Bytes that were announced.
    pub size_bytes: u64,
    /// The object that came through this server, and what is in it.
    pub received: Option<(Uuid, Content)>,
}

/// Whether a blob that was announced with so many bytes may have this many: a client may mean the plaintext's.
pub fn is_size_of(announced: u64, bytes: u64) -> bool {
    bytes == announced || announced.checked_add(BLOB_OVERHEAD_BYTES) == Some(bytes)
}

/// Whether what was uploaded is what was announced, when it was granted and now. `Some`: it is, and this tells whether the bytes
/// are known to hash to the name.
pub fn judge(rule: HashRule, upload: &Upload, size_bytes: u64, found: &Content) -> Option<bool> {
    let verified = found.hash == Some(upload.hash.0);
    let fits = match rule {
        HashRule::Any => is_size_of(upload.size_bytes, found.bytes) && is_size_of(size_bytes, found.bytes),
        HashRule::Verified => upload.size_bytes == found.bytes && size_bytes == found.bytes && verified,
    };
    fits.then_some(verified)
}

/// A blob that is confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its name.
    pub hash: BlobHash,
    /// The object that holds it.
    pub object: Uuid,
    /// Bytes that are stored.
    pub size_bytes: u64,
    /// Its sealed key and the master key's version, if the client sent them.
    pub key: Option<SealedKey>,
    /// Whether the bytes are known to hash to the name.
    pub verified: bool,
    /// Microseconds since 1970.
    pub created_at: i64,
}

/// The sealed key of a blob.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedKey {
    /// Opaque to the server.
    pub wrapped_key: Vec<u8>,
    /// The master key that sealed it; 0: the server knew of none.
    pub key_version: u32,
}

impl fmt::Debug for SealedKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SealedKey").field("key_version", &self.key_version).finish_non_exhaustive()
    }
}

/// The bytes of a sealed key, sent as base64.
///
/// # Errors
/// What is wrong with it, for a person.
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
        let judge =
            |rule, size_bytes, bytes, hash| super::judge(rule, &upload, size_bytes, &Content { bytes, hash });
        let (right, wrong) = (Some([1; 32]), Some([2; 32]));
        assert_eq!(judge(HashRule::Verified, 10, 10, right), Some(true));
        for (size_bytes, bytes, hash) in [(10, 50, right), (50, 50, right), (10, 10, wrong), (10, 10, None)] {
            assert_eq!(judge(HashRule::Verified, size_bytes, bytes, hash), None);
        }
        assert_eq!(judge(HashRule::Any, 10, 10, right), Some(true));
        assert_eq!(judge(HashRule::Any, 10, 50, wrong), Some(false));
        assert_eq!(judge(HashRule::Any, 50, 50, None), Some(false));
        // What is granted for little must not be confirmed as much.
        assert_eq!(judge(HashRule::Any, 90, 90, right), None);
    }
}
