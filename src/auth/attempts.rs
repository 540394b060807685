//! Slows down guessing of passwords and codes without locking out the accounts' owners.
//!
//! Four limits, checked in this order; an attempt that one of them refuses does not count against the next:
//!
//! - Each client IP has a rate limit, whatever it asks for.
//! - After failures at one account from one IP, that IP waits, twice as long each time. Other IPs do not.
//! - Each account has a rate limit over all IPs, since guesses can come from thousands of them. IPs from which the
//!   account signed in lately are trusted and exempt: guessers use up what is left for strangers, and the owner
//!   notices nothing.
//! - Second factors have their own, stricter rate limits and waits: six digits are few.
//!
//! Nothing here looks up whether an account exists: attempts at unknown accounts count like any other. All state is
//! in memory and bounded: filling it with made-up accounts and IPs takes more attempts than its eviction gives back.

mod backoff;
mod expiring_map;
mod keys;
mod limits;
mod rate_limiter;
#[cfg(test)]
mod tests;
mod trusted_ips;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use self::backoff::Backoff;
use self::keys::{AccountKey, NetworkKey};
pub use self::limits::{AttemptLimits, Rate, TooManyAttempts};
use self::rate_limiter::KeyedRateLimiter;
use self::trusted_ips::TrustedIps;
use crate::clock::Clock;
use crate::model::audit::{Credential, FailedSignIn};
use crate::store::Store;

/// Mails to one account that requests without a sign-in may cause.
const MAILS: Rate = Rate { burst: NonZeroU32::MIN, period: Duration::from_secs(10 * 60) };

/// Limits attempts to sign in. Cheap to clone.
#[derive(Clone)]
pub struct Attempts(Arc<Limiters>);

struct Limiters {
    ips: KeyedRateLimiter<NetworkKey>,
    accounts: KeyedRateLimiter<AccountKey>,
    second_factors: KeyedRateLimiter<AccountKey>,
    mails: KeyedRateLimiter<AccountKey>,
    backoff: Backoff,
    trusted_ips: TrustedIps,
    /// Whose audit log records failures. `None`: they are not recorded.
    history: Option<Store>,
}

impl Attempts {
    /// With these limits. `history` is the store whose audit log records failures and knows the IPs of earlier
    /// sign-ins.
    pub fn new(limits: AttemptLimits, history: Option<Store>, clock: Clock) -> Self {
        Self(Arc::new(Limiters {
            ips: KeyedRateLimiter::new(limits.per_ip, clock.clone()),
            accounts: KeyedRateLimiter::new(limits.per_account, clock.clone()),
            second_factors: KeyedRateLimiter::new(limits.second_factor, clock.clone()),
            mails: KeyedRateLimiter::new(MAILS, clock.clone()),
            backoff: Backoff::new(limits.free_failures, limits.longest_wait, clock.clone()),
            trusted_ips: TrustedIps::new(history.clone(), clock),
            history,
        }))
    }

    /// Attempts that one client IP has at once.
    pub fn limit(&self) -> u32 {
        self.0.ips.burst()
    }

    /// Counts an attempt that concerns no account. Returns how many more the client IP has right now.
    ///
    /// # Errors
    /// The IP has none left.
    pub fn count(&self, ip: IpAddr) -> Result<u32, TooManyAttempts> {
        self.0.ips.take(&ip.into(), 1)
    }

    /// Counts a mail to an account that a request without a sign-in asks for. Returns whether it may be sent.
    pub fn may_mail(&self, account: &str) -> bool {
        self.0.mails.take(&AccountKey::new(account), 1).is_ok()
    }

    /// Begins an attempt at the password of an account, named by its email as it was typed, or by anything else.
    ///
    /// # Errors
    /// It is one too many.
    pub async fn begin(&self, account: &str, ip: IpAddr) -> Result<AttemptPermit, TooManyAttempts> {
        self.begin_guesses(account, ip, 1).await
    }

    /// As [`Attempts::begin`], for a request that tries several passwords.
    ///
    /// # Errors
    /// It is one too many.
    pub async fn begin_guesses(
        &self,
        account: &str,
        ip: IpAddr,
        guesses: u32,
    ) -> Result<AttemptPermit, TooManyAttempts> {
        self.permit(Credential::Password, account, ip, guesses).await
    }

    /// Begins an attempt at the second factor of an account, by code or recovery code.
    ///
    /// # Errors
    /// It is one too many.
    pub async fn begin_second_factor(
        &self,
        account: &str,
        ip: IpAddr,
    ) -> Result<AttemptPermit, TooManyAttempts> {
        self.permit(Credential::SecondFactor, account, ip, 1).await
    }

    async fn permit(
        &self,
        credential: Credential,
        account_name: &str,
        ip: IpAddr,
        guesses: u32,
    ) -> Result<AttemptPermit, TooManyAttempts> {
        let limiters = &self.0;
        let (account, network) = (AccountKey::new(account_name), NetworkKey::from(ip));
        let left_to_ip = limiters.ips.take(&network, guesses)?;
        let left_free = limiters.backoff.begin((credential, account, network))?;
        // From here on, a permit that is dropped undoes the attempt.
        let mut permit = AttemptPermit {
            limiters: limiters.clone(),
            key: (credential, account, network),
            guesses,
            limit: limiters.ips.burst(),
            remaining: left_to_ip,
            account_name: account_name.to_owned(),
            ip,
            is_decided: false,
        };
        if !limiters.trusted_ips.contains(account, network) {
            let limiter = match credential {
                Credential::Password => &limiters.accounts,
                Credential::SecondFactor => &limiters.second_factors,
            };
            if let Err(refused) = limiter.take(&account, guesses) {
                limiters.trusted_ips.load_history(account_name).await;
                if !limiters.trusted_ips.contains(account, network) {
                    return Err(refused);
                }
            }
        }
        if left_free < permit.remaining {
            (permit.limit, permit.remaining) = (limiters.backoff.free_failures(), left_free);
        }
        Ok(permit)
    }
}

/// A pending attempt. One that is dropped undecided, because the server had to give up, does not count.
#[must_use = "an attempt must be decided"]
pub struct AttemptPermit {
    limiters: Arc<Limiters>,
    key: backoff::Key,
    guesses: u32,
    limit: u32,
    remaining: u32,
    account_name: String,
    ip: IpAddr,
    is_decided: bool,
}

impl AttemptPermit {
    /// Attempts allowed at once, by the limit of which the fewest are left.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// How many of them are left after this one.
    pub fn remaining(&self) -> u32 {
        self.remaining
    }

    /// The guess was wrong.
    pub fn failed(mut self) {
        self.is_decided = true;
        self.limiters.backoff.fail(&self.key, self.guesses);
        if let Some(store) = &self.limiters.history {
            let account = std::mem::take(&mut self.account_name);
            store.record_failure(FailedSignIn { account, ip: self.ip, credential: self.key.0 });
        }
    }

    /// The guess was right, but nobody is signed in by it yet: the second factor is still to come, for instance.
    pub fn passed(mut self) {
        self.is_decided = true;
        self.limiters.backoff.reset(&self.key);
    }

    /// The guess was right and completed a sign-in: the IP is trusted from now on.
    pub fn succeeded(mut self) {
        self.is_decided = true;
        self.limiters.backoff.reset(&self.key);
        let (_, account, network) = self.key;
        self.limiters.trusted_ips.insert(account, network);
    }
}

impl Drop for AttemptPermit {
    fn drop(&mut self) {
        if !self.is_decided {
            self.limiters.backoff.undo(&self.key);
        }
    }
}
