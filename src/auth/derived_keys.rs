//! Keys for what is signed besides access tokens, derived from the signing keys under a label for each use.
//!
//! What they sign is short-lived. So they verify for an hour after their signing key was replaced, not for the
//! lifetime of access tokens: whoever has obtained an old key must not be able to forge the flow state of a sign-in
//! with it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::clock::MICROS_PER_SECOND;
use crate::error::Fault;
use crate::store::SigningKey;

/// Longest lifetime of what derived keys sign, in seconds.
pub(super) const MAX_LIFETIME_SECONDS: i64 = 60 * 60;

/// The keys for one use, the newest first, each with the time until which it verifies, in seconds since 1970. No
/// `Debug`: they are secrets.
pub(super) struct DerivedKeys(Vec<([u8; 32], i64)>);

impl DerivedKeys {
    /// Derives keys from these signing keys, the newest first.
    pub(super) fn new(keys: &[SigningKey], label: &[u8]) -> Result<Self, Fault> {
        let derive = |key: &SigningKey| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key.secret).map_err(Fault::internal)?;
            mac.update(label);
            let until = |replaced_at: i64| replaced_at / MICROS_PER_SECOND + MAX_LIFETIME_SECONDS;
            Ok((mac.finalize().into_bytes().into(), key.replaced_at.map_or(i64::MAX, until)))
        };
        keys.iter().map(derive).collect::<Result<_, Fault>>().map(Self)
    }

    /// The key that signs.
    pub(super) fn newest(&self) -> Result<&[u8; 32], Fault> {
        let newest = self.0.first().map(|(key, _)| key);
        newest.ok_or_else(|| Fault::Internal("there is no signing key".into()))
    }

    /// The keys that verify at this time, in seconds since 1970.
    pub(super) fn verifying(&self, now_seconds: i64) -> impl Iterator<Item = &[u8; 32]> {
        self.0.iter().filter(move |(_, until)| now_seconds < *until).map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: u8, replaced_at: Option<i64>) -> SigningKey {
        SigningKey { kid: "k".into(), secret: [secret; 32], replaced_at }
    }

    #[test]
    fn a_replaced_key_verifies_for_an_hour_and_signs_nothing() {
        let keys = [key(2, None), key(1, Some(1_000 * MICROS_PER_SECOND))];
        let keys = DerivedKeys::new(&keys, b"a use").expect("HMAC takes any key");
        assert_eq!(keys.verifying(1_000 + MAX_LIFETIME_SECONDS - 1).count(), 2);
        let left: Vec<_> = keys.verifying(1_000 + MAX_LIFETIME_SECONDS).collect();
        assert_eq!(left, [keys.newest().expect("a key")]);
        assert!(DerivedKeys::new(&[], b"a use").is_ok_and(|none| none.newest().is_err()));
    }

    #[test]
    fn keys_for_two_uses_differ() {
        let derived = |label| DerivedKeys::new(&[key(1, None)], label).expect("HMAC takes any key");
        assert_ne!(derived(b"a use").newest().expect("a key"), derived(b"another").newest().expect("a key"));
    }
}
