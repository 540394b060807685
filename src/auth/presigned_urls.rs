//! Presigned URLs: whoever has one can upload or download one blob for a while, without an access token.
//!
//! The URL contains everything that it grants, signed by an HMAC, so guesses cost no query. The keys are derived from
//! those that sign access tokens; the label keeps one kind from being accepted as the other.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::derived_keys::DerivedKeys;
use crate::error::Fault;
use crate::model::blobs::BlobHash;
use crate::store::SigningKey;

/// Separates the keys that sign URLs from any others.
const LABEL: &[u8] = b"tidelog/blob-url/1";
/// Bytes of what is signed: purpose, four ids, hash, size, expiry.
const SIGNED_BYTES: usize = 1 + 4 * 16 + 32 + 8 + 8;
/// Bytes of the signature.
const MAC_BYTES: usize = 32;

/// What a URL can be used for. It goes with a method: an upload URL cannot be read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlPurpose {
    /// `PUT` of an upload.
    Upload,
    /// `GET` and `HEAD` of a blob.
    Download,
}

impl UrlPurpose {
    fn tag(self) -> u8 {
        match self {
            Self::Upload => 1,
            Self::Download => 2,
        }
    }
}

/// The blob or upload of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlTarget {
    /// The upload, or the object of the blob.
    pub id: Uuid,
    /// The blob's name.
    pub hash: BlobHash,
    /// Its size in bytes.
    pub size_bytes: u64,
}

/// What a URL grants, and to whom it was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlGrant {
    /// What it is for.
    pub purpose: UrlPurpose,
    /// The blob or upload.
    pub target: UrlTarget,
    /// The session that asked for it; when it ends, the URL is no longer valid.
    pub session: Uuid,
    /// The user.
    pub user: Uuid,
    /// The app.
    pub app: Uuid,
    /// Seconds since 1970.
    pub expires_at: i64,
}

impl UrlGrant {
    fn to_bytes(self) -> [u8; SIGNED_BYTES] {
        let mut bytes = Vec::with_capacity(SIGNED_BYTES);
        bytes.push(self.purpose.tag());
        for id in [self.target.id, self.session, self.user, self.app] {
            bytes.extend_from_slice(id.as_bytes());
        }
        bytes.extend_from_slice(&self.target.hash.0);
        bytes.extend_from_slice(&self.target.size_bytes.to_be_bytes());
        bytes.extend_from_slice(&self.expires_at.to_be_bytes());
        std::array::from_fn(|index| bytes[index])
    }

    fn from_bytes(purpose: UrlPurpose, bytes: &[u8; SIGNED_BYTES]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let (ids, rest) = rest.split_at_checked(4 * 16)?;
        let (hash, numbers) = rest.split_first_chunk::<32>()?;
        let (size, expiry) = numbers.split_first_chunk::<8>()?;
        let mut ids = ids.chunks_exact(16).filter_map(|id| Uuid::from_slice(id).ok());
        let (id, session, user, app) = (ids.next()?, ids.next()?, ids.next()?, ids.next()?);
        let size_bytes = u64::from_be_bytes(*size);
        (*tag == purpose.tag()).then_some(Self {
            purpose,
            target: UrlTarget { id, hash: BlobHash(*hash), size_bytes },
            session,
            user,
            app,
            expires_at: i64::from_be_bytes(expiry.try_into().ok()?),
        })
    }
}

/// Signs and verifies URLs. No `Debug`: it holds secrets.
pub(super) struct UrlSigner(DerivedKeys);

impl UrlSigner {
    /// With keys derived from these signing keys, the newest first.
    pub(super) fn new(keys: &[SigningKey]) -> Result<Self, Fault> {
        DerivedKeys::new(keys, LABEL).map(Self)
    }

    /// The token of a grant: the last segment of the URL.
    pub(super) fn sign(&self, grant: &UrlGrant) -> Result<String, Fault> {
        let bytes = grant.to_bytes();
        let mac = mac(self.0.newest()?, &bytes).map_err(Fault::internal)?.finalize().into_bytes();
        Ok(BASE64URL_NOPAD.encode(&[&bytes[..], &mac[..]].concat()))
    }

    /// The grant of a token, if it was signed for this purpose and has not expired at this time, in seconds since 1970.
    pub(super) fn verify(&self, purpose: UrlPurpose, token: &str, now: i64) -> Option<UrlGrant> {
        let length = SIGNED_BYTES + MAC_BYTES;
        let has_length = token.len() == BASE64URL_NOPAD.encode_len(length);
        let bytes = has_length.then(|| BASE64URL_NOPAD.decode(token.as_bytes()).ok())??;
        let (signed, signature) = bytes.split_first_chunk::<SIGNED_BYTES>()?;
        // `verify_slice` compares in constant time.
        let is_by = |key| mac(key, signed).is_ok_and(|mac| mac.verify_slice(signature).is_ok());
        let is_genuine = self.0.verifying(now).any(is_by);
        let grant = is_genuine.then(|| UrlGrant::from_bytes(purpose, signed))??;
        (now < grant.expires_at).then_some(grant)
    }
}

fn mac(key: &[u8; 32], bytes: &[u8]) -> Result<Hmac<Sha256>, hmac::digest::InvalidLength> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(bytes);
    Ok(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(secrets: &[u8]) -> UrlSigner {
        let key = |secret: &u8| SigningKey { kid: "k".into(), secret: [*secret; 32], replaced_at: None };
        UrlSigner::new(&secrets.iter().map(key).collect::<Vec<_>>()).expect("HMAC takes any key")
    }

    fn grant() -> UrlGrant {
        let id = |number| Uuid::from_u128(number);
        let target = UrlTarget { id: id(1), hash: BlobHash([9; 32]), size_bytes: 2_000_000_000_000 };
        let purpose = UrlPurpose::Upload;
        UrlGrant { purpose, target, session: id(2), user: id(3), app: id(4), expires_at: 1_000 }
    }

    #[test]
    fn a_token_gives_its_grant_back_until_it_expires() {
        let token = signer(&[1]).sign(&grant()).expect("a token");
        assert_eq!(signer(&[1]).verify(UrlPurpose::Upload, &token, 999), Some(grant()));
        assert_eq!(signer(&[1]).verify(UrlPurpose::Upload, &token, 1_000), None);
        assert_eq!(signer(&[1]).verify(UrlPurpose::Download, &token, 999), None);
    }

    #[test]
    fn a_token_of_an_older_key_is_valid_and_one_of_an_unknown_key_is_not() {
        let token = signer(&[1]).sign(&grant()).expect("a token");
        assert!(signer(&[2, 1]).verify(UrlPurpose::Upload, &token, 0).is_some());
        assert!(signer(&[2]).verify(UrlPurpose::Upload, &token, 0).is_none());
    }

    #[test]
    fn no_character_of_a_token_can_be_changed() {
        let signer = signer(&[1]);
        let token = signer.sign(&grant()).expect("a token");
        for index in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(signer.verify(UrlPurpose::Upload, &changed, 0), None, "character {index}");
        }
        for wrong in ["", "A", &token[1..], &format!("{token}A"), &"é".repeat(token.len() / 2)] {
            assert_eq!(signer.verify(UrlPurpose::Upload, wrong, 0), None);
        }
    }
}
