//! Addresses that speak for themselves: whoever has one may send or fetch one blob for a while, without a token of the API.
//!
//! Everything that such an address stands for is in it, under an HMAC, so a stranger's guess costs no look into the database.
//! The keys are derived from those that sign access tokens; the label keeps either from passing for the other.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::derived::DerivedKeys;
use crate::error::Fault;
use crate::model::blobs::BlobHash;
use crate::store::SigningKey;

/// Separates the use of HMAC that makes these keys from any other.
const LABEL: &[u8] = b"tidelog/blob-url/1";
/// Bytes of what is signed: purpose, four ids, hash, size, expiry.
const SIGNED_BYTES: usize = 1 + 4 * 16 + 32 + 8 + 8;
/// Bytes of the signature.
const MAC_BYTES: usize = 32;

/// What an address is for. It goes with a method: an address to send to cannot be read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `PUT` of an upload.
    Upload,
    /// `GET` and `HEAD` of a blob.
    Download,
}

impl Purpose {
    fn tag(self) -> u8 {
        match self {
            Self::Upload => 1,
            Self::Download => 2,
        }
    }
}

/// What an address leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlTarget {
    /// The upload, or the object of the blob.
    pub id: Uuid,
    /// The blob's name.
    pub hash: BlobHash,
    /// Its size in bytes.
    pub size_bytes: u64,
}

/// What an address allows, and to whom it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlGrant {
    /// What it is for.
    pub purpose: Purpose,
    /// What it leads to.
    pub target: UrlTarget,
    /// The session that asked for it, and with which it dies.
    pub session: Uuid,
    /// The user.
    pub user: Uuid,
    /// The app.
    pub app: Uuid,
    /// Until when it is good, in seconds since 1970.
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
        std::array::from_fn(|place| bytes[place])
    }

    fn from_bytes(purpose: Purpose, bytes: &[u8; SIGNED_BYTES]) -> Option<Self> {
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

/// The keys that sign addresses. No `Debug`: they are secrets.
pub(super) struct UrlKeys(DerivedKeys);

impl UrlKeys {
    /// Those that go with the keys of access tokens, the newest first.
    pub(super) fn derived_from(keys: &[SigningKey]) -> Result<Self, Fault> {
        DerivedKeys::new(keys, LABEL).map(Self)
    }

    /// The token that stands for a grant.
    pub(super) fn sign(&self, grant: &UrlGrant) -> Result<String, Fault> {
        let bytes = grant.to_bytes();
        let mac = mac(self.0.newest()?, &bytes).map_err(Fault::internal)?.finalize().into_bytes();
        Ok(BASE64URL_NOPAD.encode(&[&bytes[..], &mac[..]].concat()))
    }

    /// What a token stands for, if it is one of ours for this purpose and still good at this time, in seconds since 1970.
    pub(super) fn verify(&self, purpose: Purpose, token: &str, now: i64) -> Option<UrlGrant> {
        let length = SIGNED_BYTES + MAC_BYTES;
        let is_as_long = token.len() == BASE64URL_NOPAD.encode_len(length);
        let bytes = is_as_long.then(|| BASE64URL_NOPAD.decode(token.as_bytes()).ok())??;
        let (signed, signature) = bytes.split_first_chunk::<SIGNED_BYTES>()?;
        // Compared in constant time.
        let is_by = |key| mac(key, signed).is_ok_and(|mac| mac.verify_slice(signature).is_ok());
        let is_ours = self.0.verifying(now).any(is_by);
        let grant = is_ours.then(|| UrlGrant::from_bytes(purpose, signed))??;
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

    fn keys(secrets: &[u8]) -> UrlKeys {
        let key = |secret: &u8| SigningKey { kid: "k".into(), secret: [*secret; 32], replaced_at: None };
        UrlKeys::derived_from(&secrets.iter().map(key).collect::<Vec<_>>()).expect("HMAC takes any key")
    }

    fn grant() -> UrlGrant {
        let id = |number| Uuid::from_u128(number);
        let target = UrlTarget { id: id(1), hash: BlobHash([9; 32]), size_bytes: 2_000_000_000_000 };
        let purpose = Purpose::Upload;
        UrlGrant { purpose, target, session: id(2), user: id(3), app: id(4), expires_at: 1_000 }
    }

    #[test]
    fn a_token_stands_for_what_it_was_made_of_until_it_expires() {
        let token = keys(&[1]).sign(&grant()).expect("a token");
        assert_eq!(keys(&[1]).verify(Purpose::Upload, &token, 999), Some(grant()));
        assert_eq!(keys(&[1]).verify(Purpose::Upload, &token, 1_000), None);
        assert_eq!(keys(&[1]).verify(Purpose::Download, &token, 999), None);
    }

    #[test]
    fn a_token_of_an_older_key_is_good_and_one_of_a_foreign_key_is_not() {
        let token = keys(&[1]).sign(&grant()).expect("a token");
        assert!(keys(&[2, 1]).verify(Purpose::Upload, &token, 0).is_some());
        assert!(keys(&[2]).verify(Purpose::Upload, &token, 0).is_none());
    }

    #[test]
    fn no_character_of_a_token_can_be_changed() {
        let keys = keys(&[1]);
        let token = keys.sign(&grant()).expect("a token");
        for place in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(keys.verify(Purpose::Upload, &changed, 0), None, "character {place}");
        }
        for wrong in ["", "A", &token[1..], &format!("{token}A"), &"é".repeat(token.len() / 2)] {
            assert_eq!(keys.verify(Purpose::Upload, wrong, 0), None);
        }
    }
}
