//! Slows down whoever guesses passwords and codes, without keeping their owners out.
//!
//! Four bounds, asked in this order; what one of them refuses costs nothing of the next:
//!
//! - Each address has a budget, for whatever it asks.
//! - Who fails for one account from one address waits, twice as long each time. Others who sign in to that account do not.
//! - Each account has a budget over all addresses, since guesses can come from thousands. Addresses from which that account lately
//!   signed in are exempt: guessers use up what is left to strangers, and the owner does not notice.
//! - Second factors have budgets and waits of their own, and stricter ones: six digits are few.
//!
//! Whether an account exists is never asked here: those that do not are counted like those that do. Everything is in memory, and
//! bounded: whoever makes up enough accounts and addresses to fill it has made more attempts than forgetting gives back.

mod account;
mod address;
mod back_off;
mod budget;
mod familiar;
mod recent;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use self::account::Account;
use self::address::Address;
use self::back_off::BackOff;
use self::budget::Budget;
use self::familiar::{Familiar, LATELY};
use crate::clock::Clock;
use crate::model::audit::{Failure, Guessed};
use crate::store::Store;

/// Mails to one account that strangers may cause: so many at once, and one more each time.
const MAILS: Rate = Rate { burst: NonZeroU32::MIN, period: Duration::from_secs(10 * 60) };

/// A refused attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// Attempts that are let through at once.
    pub limit: u32,
    /// Seconds to wait, at least 1.
    pub retry_after: u64,
}

/// How many attempts there are.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of one address.
    pub address: Rate,
    /// At the password of one account, over all addresses that are not familiar.
    pub account: Rate,
    /// Likewise at its second factor.
    pub second_factor: Rate,
    /// Failures, of one account from one address, after which nobody waits.
    pub free_failures: u32,
    /// What the wait after further failures grows to.
    pub longest_wait: Duration,
}

/// So many at once, and another one every so often.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// At once.
    pub burst: NonZeroU32,
    /// In which one is given back.
    pub period: Duration,
}

/// What is guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Factor {
    Password,
    Second,
}

/// Counts attempts. Cheap to clone.
#[derive(Clone)]
pub struct Attempts(Arc<Counts>);

struct Counts {
    addresses: Budget<Address>,
    accounts: Budget<Account>,
    second_factors: Budget<Account>,
    mails: Budget<Account>,
    back_off: BackOff,
    familiar: Familiar,
    /// What is left of the time before this server started, and where failures are told. `None`: nothing.
    history: Option<Store>,
    clock: Clock,
}

impl Attempts {
    /// Within these bounds.
    pub fn new(bounds: Bounds, clock: Clock) -> Self {
        Self(Arc::new(Counts {
            addresses: Budget::new(bounds.address, clock.clone()),
            accounts: Budget::new(bounds.account, clock.clone()),
            second_factors: Budget::new(bounds.second_factor, clock.clone()),
            mails: Budget::new(MAILS, clock.clone()),
            back_off: BackOff::new(bounds.free_failures, bounds.longest_wait, clock.clone()),
            familiar: Familiar::new(clock.clone()),
            history: None,
            clock,
        }))
    }

    /// Also knows what the audit log tells, and tells it of failures.
    #[must_use]
    pub fn with_history(mut self, store: Store) -> Self {
        if let Some(counts) = Arc::get_mut(&mut self.0) {
            counts.history = Some(store);
        }
        self
    }

    /// Attempts of one address that are let through at once.
    pub fn limit(&self) -> u32 {
        self.0.addresses.limit()
    }

    /// Counts one attempt of an address at what belongs to no account, and tells how many more it has at once.
    ///
    /// # Errors
    /// It has none left.
    pub fn count(&self, address: IpAddr) -> Result<u32, TooMany> {
        self.0.addresses.take(&address.into(), 1)
    }

    /// Counts one mail that somebody who has not signed in wants sent to an account, and tells whether it may be.
    pub fn may_mail(&self, account: &str) -> bool {
        self.0.mails.take(&Account::named(account), 1).is_ok()
    }

    /// Begins an attempt at the password of an account: its e-mail address as it was typed, or whatever else names it.
    ///
    /// # Errors
    /// It is one too many.
    pub async fn begin(&self, account: &str, address: IpAddr) -> Result<Turn, TooMany> {
        self.begin_guesses(account, address, 1).await
    }

    /// As [`Attempts::begin`], for a request that tries several passwords.
    ///
    /// # Errors
    /// It is one too many.
    pub async fn begin_guesses(&self, account: &str, address: IpAddr, guesses: u32) -> Result<Turn, TooMany> {
        self.turn(Factor::Password, account, address, guesses).await
    }

    /// Begins an attempt at the second factor of an account, by code or recovery code.
    ///
    /// # Errors
    /// It is one too many.
    pub async fn begin_second_factor(&self, account: &str, address: IpAddr) -> Result<Turn, TooMany> {
        self.turn(Factor::Second, account, address, 1).await
    }

    async fn turn(&self, factor: Factor, name: &str, host: IpAddr, guesses: u32) -> Result<Turn, TooMany> {
        let counts = &self.0;
        let (account, address) = (Account::named(name), Address::from(host));
        let left_to_address = counts.addresses.take(&address, guesses)?;
        // From here on, a turn that is dropped takes nothing.
        let left_free = counts.back_off.begin((factor, account, address))?;
        let turn = Turn {
            counts: counts.clone(),
            key: (factor, account, address),
            guesses,
            limit: counts.addresses.limit(),
            remaining: left_to_address,
            name: name.to_owned(),
            host,
            decided: false,
        };
        if !counts.familiar.knows(account, address) {
            let budget = match factor {
                Factor::Password => &counts.accounts,
                Factor::Second => &counts.second_factors,
            };
            if let Err(refused) = budget.take(&account, guesses)
                && !counts.was_familiar(name, address).await
            {
                return Err(refused);
            }
        }
        Ok(turn.with_free(left_free, counts.back_off.free_failures()))
    }
}

impl Counts {
    /// Whether the account signed in from there before this server started. What the log tells is remembered.
    async fn was_familiar(&self, name: &str, address: Address) -> bool {
        let Some(store) = &self.history else { return false };
        let since = self.clock.now_us() - LATELY.as_micros() as i64;
        let told = store.signed_in_from(name.trim().to_lowercase(), since).await;
        let told = told.unwrap_or_else(|fault| {
            tracing::warn!(%fault, "the audit log could not be asked");
            Vec::new()
        });
        let account = Account::named(name);
        told.into_iter().for_each(|host| self.familiar.learn(account, host.into()));
        self.familiar.knows(account, address)
    }
}

/// An attempt under way. One that is dropped without a verdict, because the server had to give up, was none.
#[must_use = "an attempt ends by a verdict"]
pub struct Turn {
    counts: Arc<Counts>,
    key: (Factor, Account, Address),
    guesses: u32,
    limit: u32,
    remaining: u32,
    name: String,
    host: IpAddr,
    decided: bool,
}

impl Turn {
    /// Attempts that are let through at once, by that bound of which the least is left.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// How many of them are left after this one.
    pub fn remaining(&self) -> u32 {
        self.remaining
    }

    /// It was a wrong guess.
    pub fn failed(mut self) {
        self.decided = true;
        self.counts.back_off.failed(&self.key, self.guesses);
        if let Some(store) = &self.counts.history {
            let guessed = match self.key.0 {
                Factor::Password => Guessed::Password,
                Factor::Second => Guessed::SecondFactor,
            };
            let account = std::mem::take(&mut self.name);
            store.note_failure(Failure { account, ip: self.host, guessed });
        }
    }

    /// It was right, and that is not enough: the second factor is still to come.
    pub fn passed(mut self) {
        self.decided = true;
        self.counts.back_off.forget(&self.key);
    }

    /// Whoever it was is signed in: their address is familiar from now on.
    pub fn succeeded(mut self) {
        self.decided = true;
        self.counts.back_off.forget(&self.key);
        let (_, account, address) = self.key;
        self.counts.familiar.learn(account, address);
    }

    fn with_free(mut self, left: u32, free: u32) -> Self {
        if left < self.remaining {
            (self.limit, self.remaining) = (free, left);
        }
        self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.decided {
            self.counts.back_off.undo(&self.key);
        }
    }
}
