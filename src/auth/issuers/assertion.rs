//! Assertions: JWTs of an issuer, from their bytes to the user they are about.

use jsonwebtoken::{Algorithm, Validation};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use thiserror::Error;

use super::keys::{KeyId, KeySet};
use crate::model::issuers::check_subject;

/// Longest assertion, in bytes.
const MAX_BYTES: usize = 16 * 1024;
/// How far clocks may differ, in seconds.
const LEEWAY_SECONDS: i64 = 60;
/// Longest lifetime, and greatest age, of an assertion, in seconds: a day. One that never expires would be a password.
const MAX_AGE_SECONDS: i64 = 24 * 60 * 60;
/// Accepted values of `typ`; other types of JWT are for other purposes.
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// Why an assertion is refused. Whoever connects an issuer reads it; it reveals nothing that is not in their own token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidAssertion {
    /// Not a JWT of an accepted type and algorithm.
    #[error("the assertion is not a JWT (typ JWT or at+jwt, no crit) signed with ES256, EdDSA or RS256")]
    Malformed,
    /// Too long.
    #[error("the assertion is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// The app does not trust its issuer.
    #[error("the app does not trust this issuer")]
    UnknownIssuer,
    /// The issuer has no such key.
    #[error("the issuer has no key with this kid and alg")]
    UnknownKey,
    /// Not signed by that key.
    #[error("the signature is not valid")]
    BadSignature,
    /// A claim is missing or has the wrong type.
    #[error("iss, sub, aud and exp are required, and times must be numbers")]
    BadClaims,
    /// Issued for another audience.
    #[error("aud is not the audience that the app expects")]
    WrongAudience,
    /// Too late.
    #[error("the assertion has expired")]
    Expired,
    /// Too early.
    #[error("the assertion is not valid yet")]
    NotYet,
    /// Its lifetime or its age is too long.
    #[error("the assertion is valid for more than a day, or older than a day")]
    TooOld,
    /// `sub` cannot name a user.
    #[error("sub must have 1 to 255 characters and no control characters")]
    BadSubject,
}

/// A JWT that is not verified yet.
pub(super) struct Assertion {
    text: String,
    key_id: KeyId,
    /// The issuer that it names.
    pub(super) claimed_issuer: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audiences,
    exp: Seconds,
    #[serde(default)]
    nbf: Option<Seconds>,
    #[serde(default)]
    iat: Option<Seconds>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Several(Vec<String>),
}

impl Audiences {
    fn contain(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

/// Seconds since 1970. RFC 7519 allows fractions.
#[derive(Clone, Copy)]
struct Seconds(i64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        // The conversion saturates, at values far from any valid time.
        f64::deserialize(input).map(|seconds| Self(seconds as i64))
    }
}

impl Assertion {
    /// Reads the header, and which issuer it names.
    pub(super) fn read(text: &str) -> Result<Self, InvalidAssertion> {
        if text.len() > MAX_BYTES {
            return Err(InvalidAssertion::TooLong);
        }
        let header = jsonwebtoken::decode_header(text).map_err(|_| InvalidAssertion::Malformed)?;
        let kind = header.typ.as_deref().unwrap_or(TYPES[0]).to_ascii_lowercase();
        let kind = kind.strip_prefix("application/").unwrap_or(&kind);
        let is_accepted = matches!(header.alg, Algorithm::ES256 | Algorithm::EdDSA | Algorithm::RS256);
        // `crit` names extensions that a reader must understand; none are supported. Keys that the token itself
        // contains, or refers to, are ignored.
        if !is_accepted || header.crit.is_some() || !TYPES.contains(&kind) {
            return Err(InvalidAssertion::Malformed);
        }
        #[derive(Deserialize)]
        struct Issuer {
            iss: String,
        }
        let claimed: Issuer =
            jsonwebtoken::dangerous::insecure_decode_claims(text).map_err(|_| InvalidAssertion::BadClaims)?;
        let key_id = KeyId { kid: header.kid, algorithm: header.alg };
        Ok(Self { text: text.to_owned(), key_id, claimed_issuer: claimed.iss })
    }

    pub(super) fn key_id(&self) -> KeyId {
        self.key_id.clone()
    }

    pub(super) fn has_key_in(&self, keys: &KeySet) -> bool {
        keys.has(&self.key_id)
    }

    /// Verifies that one of its issuer's keys has signed it, for this audience, and that it is valid now. Returns the
    /// user's id at the issuer.
    pub(super) fn verify(
        &self,
        keys: &KeySet,
        audience: &str,
        now_seconds: i64,
    ) -> Result<String, InvalidAssertion> {
        let candidates = keys.candidates(&self.key_id);
        if candidates.is_empty() {
            return Err(InvalidAssertion::UnknownKey);
        }
        let claims = candidates.iter().find_map(|key| {
            let mut validation = Validation::new(key.algorithm);
            // Claims are checked below, by the server's clock.
            validation.required_spec_claims.clear();
            (validation.validate_exp, validation.validate_aud) = (false, false);
            jsonwebtoken::decode::<Box<RawValue>>(&self.text, &key.decoding, &validation).ok()
        });
        let claims = claims.ok_or(InvalidAssertion::BadSignature)?.claims;
        let claims = serde_json::from_str(claims.get()).map_err(|_| InvalidAssertion::BadClaims)?;
        self.check_claims(claims, audience, now_seconds)
    }

    fn check_claims(&self, claims: Claims, audience: &str, now: i64) -> Result<String, InvalidAssertion> {
        if claims.iss != self.claimed_issuer {
            return Err(InvalidAssertion::UnknownIssuer);
        }
        if !claims.aud.contain(audience) {
            return Err(InvalidAssertion::WrongAudience);
        }
        let starts = [claims.nbf, claims.iat].into_iter().flatten();
        if starts.map(|at| at.0).any(|at| at > now + LEEWAY_SECONDS) {
            return Err(InvalidAssertion::NotYet);
        }
        if claims.exp.0 <= now - LEEWAY_SECONDS {
            return Err(InvalidAssertion::Expired);
        }
        let is_too_old = claims.iat.is_some_and(|at| at.0 < now - MAX_AGE_SECONDS - LEEWAY_SECONDS);
        if is_too_old || claims.exp.0 > now + MAX_AGE_SECONDS + LEEWAY_SECONDS {
            return Err(InvalidAssertion::TooOld);
        }
        check_subject(&claims.sub).map_err(|_| InvalidAssertion::BadSubject)?;
        Ok(claims.sub)
    }
}
