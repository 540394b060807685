//! Who may sign in, and who is calling: passwords, second factors, tokens, sessions. The only folder that uses argon2
//! and jsonwebtoken.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this folder owns argon2 and jsonwebtoken"
)]

pub mod access_tokens;
mod account;
mod account_sessions;
pub mod attempts;
mod authorization_codes;
mod caller_cache;
mod change_password;
pub mod consents;
mod derived_keys;
mod federated_sign_in;
pub mod flow;
pub mod issuers;
mod keyring;
pub mod links;
pub mod passwords;
pub mod personal_access_tokens;
pub mod presigned_urls;
pub mod second_factors;
pub mod secrets;
mod sessions;
mod sign_in;
mod signatures;
pub mod signing_keys;
mod token_settings;

use std::sync::Arc;

pub use account::{Enrolment, SetPasswordOutcome};
pub use authorization_codes::AuthorizationCodeGrant;
pub use change_password::ChangePasswordOutcome;
pub use federated_sign_in::AssertionOutcome;
pub use keyring::new_signing_key;
pub use sessions::SignInOutcome;
pub use sign_in::PasswordCheck;
pub use token_settings::TokenSettings;

use crate::clock::Clock;
use crate::error::Fault;
use crate::notify::Hub;
use crate::store::Store;
use caller_cache::CallerCache;
use issuers::Issuers;
use keyring::Keyring;
use passwords::Passwords;

/// Signs users in, and authenticates requests. Cheap to clone.
#[derive(Clone)]
pub struct Auth {
    store: Store,
    clock: Clock,
    passwords: Passwords,
    keyring: Arc<Keyring>,
    issuers: Issuers,
    settings: TokenSettings,
    callers: Arc<CallerCache>,
}

impl Auth {
    /// Prepares sign-in on a store, and creates the first signing key if there is none.
    pub async fn new(
        store: Store,
        clock: Clock,
        hub: &Hub,
        passwords: Passwords,
        settings: TokenSettings,
    ) -> Result<Self, Fault> {
        let keys = store.signing_keys(keyring::new_signing_key()?).await?;
        let keyring = Arc::new(Keyring::new(&keys, &settings, &clock)?);
        let callers = Arc::<CallerCache>::default();
        let issuers = Issuers::new(store.clone(), clock.clone());
        let listener = callers.clone();
        hub.listen(move |event| listener.invalidate(event));
        Ok(Self { store, clock, passwords, keyring, issuers, settings, callers })
    }

    /// The password hasher, for commands that set passwords.
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }
}
