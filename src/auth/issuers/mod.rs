//! Other systems' word for who somebody is: JWTs of issuers that an app trusts, judged by the issuer's keys.
//!
//! Keys lie in the database, so that they survive restarts and are there when the issuer is not. They are fetched by a task of
//! their own, one per issuer at a time: a slow issuer keeps nobody waiting but those who come with its tokens, and a caller who
//! hangs up does not spoil the fetch for the others.

mod assertion;
mod fetch;
mod keys;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

use self::assertion::Assertion;
pub use self::assertion::AssertionFault;
pub use self::fetch::FetchFault;
use self::fetch::Fetcher;
use self::keys::KeySet;
use crate::clock::Clock;
use crate::error::Fault;
use crate::model::issuers::Issuer;
use crate::store::Store;

/// When the keys of an issuer were last asked for, microseconds since 1970. Whoever holds it may ask.
type Turn = Arc<tokio::sync::Mutex<Option<i64>>>;

/// Why an assertion lets nobody in.
#[derive(Debug, Error)]
pub enum Unconvincing {
    /// It says so itself, or its signature does.
    #[error(transparent)]
    Assertion(#[from] AssertionFault),
    /// Something went wrong here.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Judges assertions. Cheap to clone.
#[derive(Clone)]
pub(super) struct Issuers {
    store: Store,
    clock: Clock,
    fetcher: Arc<Fetcher>,
    turns: Arc<Mutex<HashMap<i64, Turn>>>,
}

impl Issuers {
    pub(super) fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, fetcher: Arc::default(), turns: Arc::default() }
    }

    /// The issuer, one that the app with this key trusts, and what it calls the user for whom it vouches.
    pub(super) async fn judge(
        &self,
        api_key_hash: [u8; 32],
        assertion: &str,
    ) -> Result<(Issuer, String), Unconvincing> {
        let assertion = Assertion::read(assertion)?;
        let found = self.store.find_issuer(api_key_hash, assertion.claimed_issuer.clone()).await?;
        let mut issuer = found.ok_or(AssertionFault::UnknownIssuer)?;
        let mut keys = KeySet::of(&issuer);
        if issuer.wants_fetch(assertion.has_key_in(&keys), None, self.clock.now_us()) {
            issuer = self.renewed(&issuer, &assertion).await?.ok_or(AssertionFault::UnknownIssuer)?;
            keys = KeySet::of(&issuer);
        }
        let subject = assertion.verify(&keys, &issuer.audience, self.clock.now_seconds())?;
        Ok((issuer, subject))
    }

    /// The issuer with its keys as they are once nobody fetches them any more.
    async fn renewed(&self, issuer: &Issuer, assertion: &Assertion) -> Result<Option<Issuer>, Fault> {
        let (this, row, wanted) = (self.clone(), issuer.row, assertion.wanted_key());
        let renewing = tokio::spawn(async move {
            let turn = this.turn_of(row);
            let mut last_attempt_us = turn.lock().await;
            let Some(issuer) = this.store.reread_issuer(row).await? else { return Ok(None) };
            let is_known = KeySet::of(&issuer).has(&wanted);
            let now_us = this.clock.now_us();
            let Some(url) = issuer.jwks_url.clone() else { return Ok(Some(issuer)) };
            if !issuer.wants_fetch(is_known, *last_attempt_us, now_us) {
                return Ok(Some(issuer));
            }
            *last_attempt_us = Some(now_us);
            match this.fetcher.keys_at(&url).await {
                Ok(jwks) => this.store.keep_issuer_keys(row, url, jwks).await?,
                Err(reason) => {
                    tracing::warn!(issuer = issuer.issuer, %reason, "an issuer's keys were not fetched")
                }
            }
            this.store.reread_issuer(row).await
        });
        renewing.await.map_err(Fault::internal)?
    }

    fn turn_of(&self, row: i64) -> Turn {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(row).or_default().clone()
    }
}

/// Whether these are keys by which tokens could be judged.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn check_keys(jwks: &str) -> Result<(), String> {
    match KeySet::parse(jwks) {
        None => Err("it is not a JSON Web Key Set".into()),
        Some(keys) if keys.is_empty() => {
            Err("there is no key in it for ES256, EdDSA or RS256 (with 2,048 bits or more)".into())
        }
        Some(_) => Ok(()),
    }
}

/// Whether keys may be fetched there.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn check_keys_url(url: &str) -> Result<(), String> {
    fetch::address(url).map(drop).map_err(|fault| fault.to_string())
}

/// Where an OpenID provider says that its keys are.
///
/// # Errors
/// It cannot be reached, or is none.
pub async fn discover_keys_url(issuer: &str) -> Result<String, FetchFault> {
    Fetcher::default().keys_url_of(issuer).await
}
