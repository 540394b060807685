//! Access tokens: signed claims about a session.
//!
//! A token proves that a session once began; whether the session still lives is asked of [`super::Auth`] at every request.
//! That a token is genuine never changes, so it is worked out once and remembered under the token's hash; only whether it
//! is in force is asked anew.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::secrets::hash_secret;
use crate::clock::{Clock, MICROS_PER_SECOND};
use crate::error::Fault;
use crate::model::sessions::Caller;
use crate::store::{AccountSession, SigningKey};

/// The sync routes. Tokens for other purposes name another audience and never pass here.
const AUDIENCE: &str = "sync";
/// The routes by which a person looks after their account.
const ACCOUNT_AUDIENCE: &str = "account";
/// RFC 9068: an access token, not any other JWT that might be signed with the same key.
const TOKEN_TYPE: &str = "at+jwt";
/// How far a token's `iat` may lie in the future, in seconds: clocks differ, but not by more.
pub(super) const MAX_AHEAD_SECONDS: i64 = 60;

/// Genuine tokens remembered; beyond that all are forgotten. Some 120 bytes each.
const MAX_REMEMBERED: usize = 16_384;

/// What a token says.
#[derive(Serialize, Deserialize)]
struct Claims {
    sub: Uuid,
    app: Uuid,
    sid: Uuid,
    aud: String,
    iss: String,
    iat: i64,
    exp: i64,
    /// Makes two tokens of one second differ.
    jti: Uuid,
}

/// What a token for an account says.
#[derive(Serialize, Deserialize)]
struct AccountClaims {
    sub: Uuid,
    sid: Uuid,
    aud: String,
    iss: String,
    iat: i64,
    exp: i64,
}

/// What a genuine token grants.
#[derive(Clone, Copy)]
pub struct Grant {
    user: Uuid,
    app: Uuid,
    /// The session that it speaks for.
    pub session: Uuid,
    issued_at: i64,
    /// Seconds since 1970.
    pub expires_at: i64,
}

impl Grant {
    /// Whether the session that the token names is the one that it was made for.
    pub fn is_of(&self, caller: &Caller) -> bool {
        (self.user, self.app, self.session) == (caller.user, caller.app, caller.session)
    }

    fn is_in_force(&self, now_seconds: i64) -> bool {
        now_seconds < self.expires_at && self.issued_at <= now_seconds + MAX_AHEAD_SECONDS
    }
}

/// Signs and verifies access tokens.
pub struct Tokens {
    keys: Vec<Key>,
    issuer: String,
    lifetime_seconds: i64,
    clock: Clock,
    validation: Validation,
    account_validation: Validation,
    /// By SHA-256 of the token: a look-up that leaks its timing tells nothing about tokens that one does not have.
    genuine: RwLock<HashMap<[u8; 32], Grant>>,
}

struct Key {
    kid: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Tokens {
    /// From signing keys, the newest first: it signs, all of them verify.
    pub fn new(keys: &[SigningKey], issuer: String, lifetime_seconds: i64, clock: Clock) -> Self {
        super::signatures::use_ring();
        let key = |key: &SigningKey| Key {
            kid: key.kid.clone(),
            encoding: EncodingKey::from_secret(&key.secret),
            decoding: DecodingKey::from_secret(&key.secret),
        };
        let validation = |audience: &str| {
            let mut validation = Validation::new(Algorithm::HS256);
            validation.set_audience(&[audience]);
            validation.set_issuer(&[&issuer]);
            validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
            // Expiry is checked against our own clock, below.
            validation.validate_exp = false;
            validation
        };
        let (validation, account_validation) = (validation(AUDIENCE), validation(ACCOUNT_AUDIENCE));
        let keys = keys.iter().map(key).collect();
        Self {
            keys,
            issuer,
            lifetime_seconds,
            clock,
            validation,
            account_validation,
            genuine: RwLock::default(),
        }
    }

    /// A token for this caller, and when it expires in seconds since 1970.
    ///
    /// # Errors
    /// There is no key to sign with.
    pub fn sign(&self, caller: &Caller) -> Result<(String, i64), Fault> {
        let now = self.clock.now_seconds();
        let claims = Claims {
            sub: caller.user,
            app: caller.app,
            sid: caller.session,
            aud: AUDIENCE.into(),
            iss: self.issuer.clone(),
            iat: now,
            exp: now + self.lifetime_seconds,
            jti: Uuid::new_v4(),
        };
        Ok((self.encode(&claims)?, claims.exp))
    }

    /// A token for this visitor of their account, and when it expires in seconds since 1970.
    ///
    /// # Errors
    /// There is no key to sign with.
    pub fn sign_account(&self, visitor: &AccountSession) -> Result<(String, i64), Fault> {
        let claims = AccountClaims {
            sub: visitor.user,
            sid: visitor.id,
            aud: ACCOUNT_AUDIENCE.into(),
            iss: self.issuer.clone(),
            iat: self.clock.now_seconds(),
            exp: visitor.expires_at / MICROS_PER_SECOND,
        };
        Ok((self.encode(&claims)?, claims.exp))
    }

    fn encode(&self, claims: &impl Serialize) -> Result<String, Fault> {
        let key = self.keys.first().ok_or_else(|| Fault::Internal("there is no signing key".into()))?;
        let header = Header {
            typ: Some(TOKEN_TYPE.into()),
            kid: Some(key.kid.clone()),
            ..Header::new(Algorithm::HS256)
        };
        jsonwebtoken::encode(&header, claims, &key.encoding).map_err(Fault::internal)
    }

    /// Account session and user of a token for an account, if it is ours and in force.
    pub fn verify_account(&self, token: &str) -> Option<(Uuid, Uuid)> {
        let claims: AccountClaims = self.decode(token, &self.account_validation)?;
        let now = self.clock.now_seconds();
        let in_force = now < claims.exp && claims.iat <= now + MAX_AHEAD_SECONDS;
        in_force.then_some((claims.sid, claims.sub))
    }

    /// What a token grants, if it is ours and in force.
    pub fn verify(&self, token: &str) -> Option<Grant> {
        let hash = hash_secret(token);
        let known = self.genuine.read().unwrap_or_else(PoisonError::into_inner).get(&hash).copied();
        let grant = match known {
            Some(grant) => grant,
            None => self.remember(hash, self.genuine_grant(token)?),
        };
        grant.is_in_force(self.clock.now_seconds()).then_some(grant)
    }

    fn genuine_grant(&self, token: &str) -> Option<Grant> {
        let claims: Claims = self.decode(token, &self.validation)?;
        Some(Grant {
            user: claims.sub,
            app: claims.app,
            session: claims.sid,
            issued_at: claims.iat,
            expires_at: claims.exp,
        })
    }

    fn decode<C: DeserializeOwned>(&self, token: &str, validation: &Validation) -> Option<C> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let typed = header.typ.as_deref() == Some(TOKEN_TYPE) && header.alg == Algorithm::HS256;
        let kid = header.kid.filter(|_| typed)?;
        let key = self.keys.iter().find(|key| key.kid == kid)?;
        Some(jsonwebtoken::decode::<C>(token, &key.decoding, validation).ok()?.claims)
    }

    fn remember(&self, hash: [u8; 32], grant: Grant) -> Grant {
        let mut genuine = self.genuine.write().unwrap_or_else(PoisonError::into_inner);
        if genuine.len() >= MAX_REMEMBERED {
            genuine.clear();
        }
        genuine.insert(hash, grant);
        grant
    }
}

/// A new signing key.
///
/// # Errors
/// The operating system has no randomness to give.
pub fn new_signing_key() -> Result<SigningKey, Fault> {
    let secret = super::secrets::random_256()?;
    Ok(SigningKey { kid: Uuid::now_v7().to_string(), secret, replaced_at: None })
}

/// The token of an `Authorization: Bearer …` header.
pub(super) fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
