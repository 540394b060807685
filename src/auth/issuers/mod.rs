//! Issuers: verification of the assertions of systems whose users an app accepts.
//!
//! Their keys are stored in the database, so that they survive restarts and are available when the issuer is not.
//! Keys are fetched in a separate task, one at a time for each issuer: a slow issuer delays only requests with its
//! own assertions, and a client that hangs up does not abort the fetch that others wait for.

mod assertion;
mod fetch;
mod keys;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

use self::assertion::Assertion;
pub use self::assertion::InvalidAssertion;
pub use self::fetch::FetchError;
use self::fetch::Fetcher;
use self::keys::KeySet;
use crate::clock::Clock;
use crate::error::Fault;
use crate::model::issuers::Issuer;
use crate::store::Store;

/// Held while the keys of an issuer are fetched; holds when that was last tried, in microseconds since 1970.
type FetchLock = Arc<tokio::sync::Mutex<Option<i64>>>;

/// Why an assertion could not be verified.
#[derive(Debug, Error)]
pub enum AssertionError {
    /// It is refused.
    #[error(transparent)]
    Invalid(#[from] InvalidAssertion),
    /// The server failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Verifies assertions. Cheap to clone.
#[derive(Clone)]
pub(super) struct Issuers {
    store: Store,
    clock: Clock,
    fetcher: Arc<Fetcher>,
    fetch_locks: Arc<Mutex<HashMap<i64, FetchLock>>>,
}

impl Issuers {
    pub(super) fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, fetcher: Arc::default(), fetch_locks: Arc::default() }
    }

    /// Verifies an assertion of an issuer that the app with this API key trusts. Returns the issuer, and the user's
    /// id there.
    pub(super) async fn verify(
        &self,
        api_key_hash: [u8; 32],
        assertion: &str,
    ) -> Result<(Issuer, String), AssertionError> {
        let assertion = Assertion::read(assertion)?;
        let found = self.store.find_issuer(api_key_hash, assertion.claimed_issuer.clone()).await?;
        let mut issuer = found.ok_or(InvalidAssertion::UnknownIssuer)?;
        let mut keys = KeySet::of(&issuer);
        if issuer.needs_fetch(assertion.has_key_in(&keys), None, self.clock.now_us()) {
            issuer =
                self.with_current_keys(&issuer, &assertion).await?.ok_or(InvalidAssertion::UnknownIssuer)?;
            keys = KeySet::of(&issuer);
        }
        let subject = assertion.verify(&keys, &issuer.audience, self.clock.now_seconds())?;
        Ok((issuer, subject))
    }

    /// The issuer with its current keys: fetched here, or by a request that holds the lock before this one.
    async fn with_current_keys(
        &self,
        issuer: &Issuer,
        assertion: &Assertion,
    ) -> Result<Option<Issuer>, Fault> {
        let (this, row, key_id) = (self.clone(), issuer.row, assertion.key_id());
        let fetching = tokio::spawn(async move {
            let lock = this.fetch_lock(row);
            let mut last_attempt_us = lock.lock().await;
            let Some(issuer) = this.store.reload_issuer(row).await? else { return Ok(None) };
            let has_key = KeySet::of(&issuer).has(&key_id);
            let now_us = this.clock.now_us();
            let Some(url) = issuer.jwks_url.clone() else { return Ok(Some(issuer)) };
            if !issuer.needs_fetch(has_key, *last_attempt_us, now_us) {
                return Ok(Some(issuer));
            }
            *last_attempt_us = Some(now_us);
            match this.fetcher.key_set(&url).await {
                Ok(jwks) => this.store.set_issuer_keys(row, url, jwks).await?,
                Err(reason) => {
                    tracing::warn!(issuer = issuer.issuer, %reason, "could not fetch the keys of an issuer")
                }
            }
            this.store.reload_issuer(row).await
        });
        fetching.await.map_err(Fault::internal)?
    }

    fn fetch_lock(&self, row: i64) -> FetchLock {
        self.fetch_locks.lock().unwrap_or_else(PoisonError::into_inner).entry(row).or_default().clone()
    }
}

/// Checks that a document is a key set with at least one usable key.
///
/// # Errors
/// What is wrong with it.
pub fn check_keys(jwks: &str) -> Result<(), String> {
    match KeySet::parse(jwks) {
        None => Err("it is not a JSON Web Key Set".into()),
        Some(keys) if keys.is_empty() => {
            Err("it contains no key for ES256, EdDSA or RS256 (with 2,048 bits or more)".into())
        }
        Some(_) => Ok(()),
    }
}

/// Checks that keys may be fetched from a URL.
///
/// # Errors
/// What is wrong with it.
pub fn check_keys_url(url: &str) -> Result<(), String> {
    fetch::check_url(url).map(drop).map_err(|fault| fault.to_string())
}

/// The URL of the keys of an OpenID provider, from its metadata.
///
/// # Errors
/// It cannot be reached, or is not an OpenID provider.
pub async fn discover_keys_url(issuer: &str) -> Result<String, FetchError> {
    Fetcher::default().jwks_url(issuer).await
}
