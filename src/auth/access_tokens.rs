//! Access tokens: JWTs of a session of an app, or of an account session.
//!
//! A token proves that a session was begun; whether it is still live is checked by [`super::Auth`] at every request.
//! A valid signature stays valid, so it is verified once and cached under the token's hash; only the times are
//! checked again.

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

/// The audience of tokens for the sync routes. Tokens for other purposes have another one and are not accepted there.
const AUDIENCE: &str = "sync";
/// The audience of tokens for the routes of accounts.
const ACCOUNT_AUDIENCE: &str = "account";
/// Distinguishes access tokens from other JWTs that might be signed with the same key (RFC 9068).
const TOKEN_TYPE: &str = "at+jwt";
/// How far the `iat` of a token may be in the future, in seconds.
pub(super) const MAX_CLOCK_SKEW_SECONDS: i64 = 60;

/// Verified tokens kept; beyond that all are dropped. Some 120 bytes each.
const MAX_CACHED: usize = 16_384;

/// Claims of a token for the sync routes.
#[derive(Serialize, Deserialize)]
struct Claims {
    sub: Uuid,
    app: Uuid,
    sid: Uuid,
    aud: String,
    iss: String,
    iat: i64,
    exp: i64,
    /// Makes tokens that were issued in the same second differ.
    jti: Uuid,
}

/// Claims of a token for an account.
#[derive(Serialize, Deserialize)]
struct AccountClaims {
    sub: Uuid,
    sid: Uuid,
    aud: String,
    iss: String,
    iat: i64,
    exp: i64,
}

/// What a token with a valid signature grants.
#[derive(Clone, Copy)]
pub struct AccessGrant {
    user: Uuid,
    app: Uuid,
    pub(super) session: Uuid,
    issued_at: i64,
    /// Seconds since 1970.
    pub(super) expires_at: i64,
}

impl AccessGrant {
    /// Whether the session is still of the user and the app that the token names.
    pub(super) fn matches(&self, caller: &Caller) -> bool {
        (self.user, self.app, self.session) == (caller.user, caller.app, caller.session)
    }

    fn is_valid_at(&self, now_seconds: i64) -> bool {
        now_seconds < self.expires_at && self.issued_at <= now_seconds + MAX_CLOCK_SKEW_SECONDS
    }
}

/// Signs and verifies access tokens. No `Debug`: it holds secrets.
pub struct AccessTokenSigner {
    keys: Vec<Key>,
    issuer: String,
    lifetime_seconds: i64,
    clock: Clock,
    validation: Validation,
    account_validation: Validation,
    /// By SHA-256 of the token: timing of look-ups reveals nothing about tokens that one does not have.
    verified: RwLock<HashMap<[u8; 32], AccessGrant>>,
}

struct Key {
    kid: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl AccessTokenSigner {
    /// With these signing keys, the newest first: it signs, all of them verify.
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
            // Expiry is checked below, by the server's clock.
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
            verified: RwLock::default(),
        }
    }

    /// A token for a caller, and when it expires, in seconds since 1970.
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

    /// A token for an account session, and when it expires, in seconds since 1970.
    pub(super) fn sign_account(&self, session: &AccountSession) -> Result<(String, i64), Fault> {
        let claims = AccountClaims {
            sub: session.user,
            sid: session.id,
            aud: ACCOUNT_AUDIENCE.into(),
            iss: self.issuer.clone(),
            iat: self.clock.now_seconds(),
            exp: session.expires_at / MICROS_PER_SECOND,
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

    /// The account session and the user of a token, if it is valid.
    pub(super) fn verify_account(&self, token: &str) -> Option<(Uuid, Uuid)> {
        let claims: AccountClaims = self.decode(token, &self.account_validation)?;
        let now = self.clock.now_seconds();
        let is_valid = now < claims.exp && claims.iat <= now + MAX_CLOCK_SKEW_SECONDS;
        is_valid.then_some((claims.sid, claims.sub))
    }

    /// What a token grants, if it is valid.
    pub fn verify(&self, token: &str) -> Option<AccessGrant> {
        let hash = hash_secret(token);
        let cached = self.verified.read().unwrap_or_else(PoisonError::into_inner).get(&hash).copied();
        let grant = match cached {
            Some(grant) => grant,
            None => self.cache(hash, self.verify_signature(token)?),
        };
        grant.is_valid_at(self.clock.now_seconds()).then_some(grant)
    }

    fn verify_signature(&self, token: &str) -> Option<AccessGrant> {
        let claims: Claims = self.decode(token, &self.validation)?;
        Some(AccessGrant {
            user: claims.sub,
            app: claims.app,
            session: claims.sid,
            issued_at: claims.iat,
            expires_at: claims.exp,
        })
    }

    fn decode<C: DeserializeOwned>(&self, token: &str, validation: &Validation) -> Option<C> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let has_type = header.typ.as_deref() == Some(TOKEN_TYPE) && header.alg == Algorithm::HS256;
        let kid = header.kid.filter(|_| has_type)?;
        let key = self.keys.iter().find(|key| key.kid == kid)?;
        Some(jsonwebtoken::decode::<C>(token, &key.decoding, validation).ok()?.claims)
    }

    fn cache(&self, hash: [u8; 32], grant: AccessGrant) -> AccessGrant {
        let mut verified = self.verified.write().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= MAX_CACHED {
            verified.clear();
        }
        verified.insert(hash, grant);
        grant
    }
}
