//! The usable keys of a JSON Web Key Set: those for one of the three accepted signature algorithms.
//!
//! The algorithm belongs to the key. The header of a token never chooses how the token is verified: otherwise a
//! public RSA key could be used as the secret of an HMAC.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse, RSAKeyParameters,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use crate::model::issuers::Issuer;

/// Keys of one set that are read.
const MAX_KEYS: usize = 100;
/// Bits of an RSA modulus: fewer can be factored, more are slow to verify.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

pub(super) struct Key {
    kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

/// The key that a token names in its header.
#[derive(Clone)]
pub(super) struct KeyId {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
}

/// The usable keys of a set.
#[derive(Default)]
pub(super) struct KeySet(Vec<Key>);

impl KeySet {
    /// Parses a document. `None`: it is not a key set. Unusable keys are left out, since sets contain keys for other
    /// purposes, too.
    pub(super) fn parse(jwks: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let document: Document = serde_json::from_str(jwks).ok()?;
        Some(Self(document.keys.into_iter().take(MAX_KEYS).filter_map(usable_key).collect()))
    }

    /// The stored keys of an issuer.
    pub(super) fn of(issuer: &Issuer) -> Self {
        issuer.jwks.as_deref().and_then(Self::parse).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys that may have made the signature. Without a `kid`, a key is a candidate only if it is the only one of
    /// its algorithm.
    pub(super) fn candidates(&self, key_id: &KeyId) -> Vec<&Key> {
        let fits = |key: &&Key| key.algorithm == key_id.algorithm;
        match &key_id.kid {
            Some(kid) => self.0.iter().filter(fits).filter(|key| key.kid.as_ref() == Some(kid)).collect(),
            None => {
                let all: Vec<_> = self.0.iter().filter(fits).collect();
                if all.len() == 1 { all } else { Vec::new() }
            }
        }
    }

    pub(super) fn has(&self, key_id: &KeyId) -> bool {
        !self.candidates(key_id).is_empty()
    }
}

fn usable_key(value: serde_json::Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::RSA(key) if is_strong(key) => Algorithm::RS256,
        _ => return None,
    };
    let has_algorithm = match jwk.common.key_algorithm {
        None => true,
        Some(KeyAlgorithm::ES256) => algorithm == Algorithm::ES256,
        Some(KeyAlgorithm::EdDSA) => algorithm == Algorithm::EdDSA,
        Some(KeyAlgorithm::RS256) => algorithm == Algorithm::RS256,
        Some(_) => false,
    };
    let signs = jwk.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let operations = jwk.common.key_operations.as_ref();
    let verifies = operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    if !(has_algorithm && signs && verifies) {
        return None;
    }
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key { kid: jwk.common.key_id, algorithm, decoding })
}

fn is_strong(key: &RSAKeyParameters) -> bool {
    let number = |text: &str| BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok();
    let bits = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let first = bytes.get(zeros).map_or(0, |byte| byte.leading_zeros() as usize);
        (bytes.len() - zeros) * 8 - first
    };
    let (Some(modulus), Some(exponent)) = (number(&key.n), number(&key.e)) else { return false };
    let is_odd = exponent.last().is_some_and(|byte| byte % 2 == 1);
    RSA_BITS.contains(&bits(&modulus)) && is_odd && (2..=32).contains(&bits(&exponent))
}
