//! Signing in in a browser, to an app or to the account itself: password, second factor, flow state.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use super::Auth;
use super::flow::{FlowState, FlowToken, VerifiedUser};
use super::second_factors;
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::users::normalize_email;
use crate::store::Account;

/// Bytes of a fingerprint of credentials.
const TAG_BYTES: usize = 16;

/// The outcome of a password check.
pub enum PasswordCheck {
    /// The password is right, and nothing else is required.
    Done(Account),
    /// The password is right, and a second factor is required.
    SecondFactor(Account),
    /// The credentials are wrong; nobody is told which of them.
    Refused,
}

/// A fingerprint of an account's credentials.
fn tag_of(account: &Account) -> String {
    let mut hash = Sha256::new();
    hash.update(account.password_hash.as_bytes());
    hash.update([0]);
    hash.update(account.second_factor.unwrap_or_default());
    BASE64URL_NOPAD.encode(&hash.finalize()[..TAG_BYTES])
}

impl VerifiedUser {
    /// The user of an account whose password was right.
    pub fn of(account: &Account) -> Self {
        Self { user: account.id, tag: tag_of(account) }
    }
}

impl Auth {
    /// Checks a password. The same work is done whatever is wrong.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if too many passwords are being hashed.
    pub async fn check_password(&self, email: &str, password: String) -> Result<PasswordCheck, Fault> {
        // An invalid email belongs to no account, but must cost as much as a valid one.
        let email = normalize_email(email).unwrap_or_default();
        let account = self.store.find_account(email).await?;
        let password_hash = account.as_ref().map(|account| account.password_hash.clone());
        let is_right = self.passwords.verify(password, password_hash).await?;
        Ok(match account.filter(|account| is_right && !account.disabled) {
            None => PasswordCheck::Refused,
            Some(account) if account.second_factor.is_some() => PasswordCheck::SecondFactor(account),
            Some(account) => PasswordCheck::Done(account),
        })
    }

    /// The account of a user whose password was right earlier in the flow, if its credentials have not changed.
    pub async fn account(&self, user: &VerifiedUser) -> Result<Option<Account>, Fault> {
        let account = self.store.account_of_user(user.user).await?;
        Ok(account.filter(|account| !account.disabled && tag_of(account) == user.tag))
    }

    /// Uses a code of an authenticator app, or a recovery code, of an account up. `false`: it is wrong or was used
    /// before.
    pub async fn use_second_factor(
        &self,
        actor: Actor,
        account: &Account,
        code: &str,
    ) -> Result<bool, Fault> {
        let Some(secret) = account.second_factor else { return Ok(false) };
        let code = second_factors::parse_code(code, &secret, self.clock.now_seconds());
        self.store.use_second_factor(actor, account.row, code).await
    }

    /// A token of this flow state, for the browser with this cookie.
    pub fn sign_flow(&self, state: FlowState, browser: &str) -> Result<String, Fault> {
        self.keyring.current().flow.sign(state, browser, self.clock.now_seconds())
    }

    /// Reads such a token.
    pub fn read_flow(&self, token: &str, browser: &str) -> FlowToken {
        self.keyring.current().flow.read(token, browser, self.clock.now_seconds())
    }
}
