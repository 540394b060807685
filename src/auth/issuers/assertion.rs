//! A JWT that somebody presents, from its first byte to the user that it vouches for.

use jsonwebtoken::{Algorithm, Validation};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use thiserror::Error;

use super::keys::{KeySet, Wanted};
use crate::model::issuers::check_subject;

/// Longest assertion, in bytes.
const MAX_BYTES: usize = 16 * 1024;
/// How far clocks may differ, in seconds.
const LEEWAY_SECONDS: i64 = 60;
/// How long an assertion may be good, and how old it may be, in seconds: a day. One that never ends would be a password.
const MAX_AGE_SECONDS: i64 = 24 * 60 * 60;
/// What a token may call itself; other kinds of JWT are made for other purposes.
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// Why an assertion is not believed. For people who connect an issuer: it says nothing that they could not read in their own token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AssertionFault {
    /// It is no JWT of the kind that is taken.
    #[error("the assertion is not a JWT (typ JWT or at+jwt, no crit) signed with ES256, EdDSA or RS256")]
    Malformed,
    /// Longer than any honest one.
    #[error("the assertion is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// The app does not trust its issuer.
    #[error("the app does not trust this issuer")]
    UnknownIssuer,
    /// The issuer has no such key.
    #[error("the issuer has no key of this kid for this alg")]
    UnknownKey,
    /// Not signed by that key.
    #[error("the signature does not fit")]
    BadSignature,
    /// A claim is missing or has another type than it should.
    #[error("iss, sub, aud and exp are needed, and times are numbers")]
    BadClaims,
    /// For somebody else.
    #[error("aud is not the audience that the app expects")]
    WrongAudience,
    /// Too late.
    #[error("the assertion has expired")]
    Expired,
    /// Too early.
    #[error("the assertion is not good yet")]
    NotYet,
    /// Good for longer, or made longer ago, than is taken.
    #[error("the assertion is good for more than a day, or older than that")]
    TooOld,
    /// `sub` cannot name a user.
    #[error("sub has 1 to 255 characters, none of them a control character")]
    BadSubject,
}

/// A JWT of which nothing is believed yet.
pub(super) struct Assertion {
    text: String,
    wanted: Wanted,
    /// What it says about its issuer.
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

/// Since 1970. RFC 7519 allows fractions.
#[derive(Clone, Copy)]
struct Seconds(i64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        // A conversion of what is no number, or too large a one, ends at the bounds: far from any time that passes.
        f64::deserialize(input).map(|seconds| Self(seconds as i64))
    }
}

impl Assertion {
    /// Reads its header, and which issuer it claims to be of.
    pub(super) fn read(text: &str) -> Result<Self, AssertionFault> {
        if text.len() > MAX_BYTES {
            return Err(AssertionFault::TooLong);
        }
        let header = jsonwebtoken::decode_header(text).map_err(|_| AssertionFault::Malformed)?;
        let kind = header.typ.as_deref().unwrap_or(TYPES[0]).to_ascii_lowercase();
        let kind = kind.strip_prefix("application/").unwrap_or(&kind);
        let is_taken = matches!(header.alg, Algorithm::ES256 | Algorithm::EdDSA | Algorithm::RS256);
        // `crit` names what a reader must understand; nothing of the sort is understood here. Keys that the token itself
        // brings, or says where to find, are not looked at.
        if !is_taken || header.crit.is_some() || !TYPES.contains(&kind) {
            return Err(AssertionFault::Malformed);
        }
        #[derive(Deserialize)]
        struct Claimed {
            iss: String,
        }
        let claimed: Claimed =
            jsonwebtoken::dangerous::insecure_decode_claims(text).map_err(|_| AssertionFault::BadClaims)?;
        let wanted = Wanted { kid: header.kid, algorithm: header.alg };
        Ok(Self { text: text.to_owned(), wanted, claimed_issuer: claimed.iss })
    }

    pub(super) fn wanted_key(&self) -> Wanted {
        self.wanted.clone()
    }

    pub(super) fn has_key_in(&self, keys: &KeySet) -> bool {
        keys.has(&self.wanted)
    }

    /// What its issuer calls the user for whom it vouches, once one of these keys of its issuer has signed it, for this audience, about now.
    pub(super) fn verify(
        &self,
        keys: &KeySet,
        audience: &str,
        now_seconds: i64,
    ) -> Result<String, AssertionFault> {
        let candidates = keys.candidates(&self.wanted);
        if candidates.is_empty() {
            return Err(AssertionFault::UnknownKey);
        }
        let claims = candidates.iter().find_map(|key| {
            let mut validation = Validation::new(key.algorithm);
            // Claims are judged below, by our own clock.
            validation.required_spec_claims.clear();
            (validation.validate_exp, validation.validate_aud) = (false, false);
            jsonwebtoken::decode::<Box<RawValue>>(&self.text, &key.decoding, &validation).ok()
        });
        let claims = claims.ok_or(AssertionFault::BadSignature)?.claims;
        let claims = serde_json::from_str(claims.get()).map_err(|_| AssertionFault::BadClaims)?;
        self.judge(claims, audience, now_seconds)
    }

    fn judge(&self, claims: Claims, audience: &str, now: i64) -> Result<String, AssertionFault> {
        if claims.iss != self.claimed_issuer {
            return Err(AssertionFault::UnknownIssuer);
        }
        if !claims.aud.contain(audience) {
            return Err(AssertionFault::WrongAudience);
        }
        let starts = [claims.nbf, claims.iat].into_iter().flatten();
        if starts.map(|at| at.0).any(|at| at > now + LEEWAY_SECONDS) {
            return Err(AssertionFault::NotYet);
        }
        if claims.exp.0 <= now - LEEWAY_SECONDS {
            return Err(AssertionFault::Expired);
        }
        let is_old = claims.iat.is_some_and(|at| at.0 < now - MAX_AGE_SECONDS - LEEWAY_SECONDS);
        if is_old || claims.exp.0 > now + MAX_AGE_SECONDS + LEEWAY_SECONDS {
            return Err(AssertionFault::TooOld);
        }
        check_subject(&claims.sub).map_err(|_| AssertionFault::BadSubject)?;
        Ok(claims.sub)
    }
}
