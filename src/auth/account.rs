//! What people do with their account once they are signed in to it: another password, a second factor, the end of it all.

use super::Auth;
use super::second_factor::{
    as_text, enrolment_url, hash_recovery_code, new_recovery_codes, new_secret, step_of,
};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::users::check_new_password;
use crate::store::{Account, AccountSession};

/// A second factor that waits for its first code. No `Debug`: it is a secret.
pub struct Enrolment {
    /// What a person types into their program.
    pub secret: String,
    /// What a phone reads off the screen.
    pub url: String,
}

/// What came of asking for another password.
pub enum AccountPassword {
    /// It is in force, and everybody who was in is out.
    Done,
    /// The current password is wrong.
    Refused,
    /// The new one may not be given; why, in a sentence.
    Unacceptable(String),
}

impl Auth {
    /// The account of whoever is signed in to it.
    ///
    /// # Errors
    /// A fault of the database, or [`Fault::SessionEnded`].
    pub async fn account_of(&self, visitor: &AccountSession) -> Result<Account, Fault> {
        let account = self.store.account_of_user(visitor.user).await?;
        account.filter(|account| !account.disabled).ok_or(Fault::SessionEnded)
    }

    /// Whether this is the password of whoever is signed in.
    ///
    /// # Errors
    /// A fault of the database, too many sign-ins at once, or [`Fault::SessionEnded`].
    pub async fn is_password_of(&self, visitor: &AccountSession, password: String) -> Result<bool, Fault> {
        let account = self.account_of(visitor).await?;
        self.passwords.verify(password, Some(account.password_hash)).await
    }

    /// Gives an account another password. The encryption key, and the passphrase around it, stay what they are.
    ///
    /// # Errors
    /// A fault of the database, too many sign-ins at once, or [`Fault::SessionEnded`].
    pub async fn set_account_password(
        &self,
        actor: Actor,
        visitor: &AccountSession,
        current: String,
        new: String,
    ) -> Result<AccountPassword, Fault> {
        let account = self.account_of(visitor).await?;
        if !self.passwords.verify(current, Some(account.password_hash.clone())).await? {
            return Ok(AccountPassword::Refused);
        }
        if let Err(reason) = check_new_password(&new) {
            return Ok(AccountPassword::Unacceptable(reason));
        }
        let hash = self.passwords.hash(new).await?;
        Ok(match self.store.replace_password(actor, account.row, account.password_hash, hash).await? {
            true => AccountPassword::Done,
            false => AccountPassword::Refused,
        })
    }

    /// Begins to enrol a second factor. `None`: there is one.
    ///
    /// # Errors
    /// A fault of the database, or no randomness.
    pub async fn enrol_second_factor(&self, visitor: &AccountSession) -> Result<Option<Enrolment>, Fault> {
        let secret = new_secret()?;
        let waits = self.store.enrol_second_factor(visitor.user_row, secret).await?;
        Ok(waits.then(|| self.enrolment(visitor, &secret)))
    }

    /// The second factor that waits for its first code.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn unconfirmed_second_factor(
        &self,
        visitor: &AccountSession,
    ) -> Result<Option<Enrolment>, Fault> {
        let secret = self.store.unconfirmed_second_factor(visitor.user_row).await?;
        Ok(secret.map(|secret| self.enrolment(visitor, &secret)))
    }

    fn enrolment(&self, visitor: &AccountSession, secret: &super::second_factor::Secret) -> Enrolment {
        let url = enrolment_url(secret, &self.settings.issuer_name(), &visitor.email);
        Enrolment { secret: as_text(secret), url }
    }

    /// Puts a second factor in force by its first code, and gives the recovery codes. `None`: the code is wrong, or nothing waits
    /// for one.
    ///
    /// # Errors
    /// A fault of the database, or no randomness.
    pub async fn confirm_second_factor(
        &self,
        actor: Actor,
        visitor: &AccountSession,
        code: &str,
    ) -> Result<Option<Vec<String>>, Fault> {
        let Some(secret) = self.store.unconfirmed_second_factor(visitor.user_row).await? else {
            return Ok(None);
        };
        let code: String = code.chars().filter(|char| !char.is_whitespace()).collect();
        let Some(step) = step_of(&secret, &code, self.clock.now_seconds()) else { return Ok(None) };
        let codes = new_recovery_codes()?;
        let hashes = codes.iter().map(|code| hash_recovery_code(code)).collect();
        let confirmed =
            self.store.confirm_second_factor(actor, visitor.user_row, secret, step, hashes).await?;
        Ok(confirmed.then_some(codes))
    }

    /// Takes the second factor away, which takes a code of it. `false`: the code is wrong, or there is none.
    ///
    /// # Errors
    /// A fault of the database, or [`Fault::SessionEnded`].
    pub async fn disable_second_factor(
        &self,
        actor: Actor,
        visitor: &AccountSession,
        code: &str,
    ) -> Result<bool, Fault> {
        let account = self.account_of(visitor).await?;
        Ok(self.take_second_factor(actor, &account, code).await?
            && self.store.disable_second_factor(actor, visitor.user_row).await?)
    }

    /// Replaces the recovery codes, which takes a code. `None`: the code is wrong, or there is no second factor.
    ///
    /// # Errors
    /// A fault of the database, no randomness, or [`Fault::SessionEnded`].
    pub async fn replace_recovery_codes(
        &self,
        actor: Actor,
        visitor: &AccountSession,
        code: &str,
    ) -> Result<Option<Vec<String>>, Fault> {
        let account = self.account_of(visitor).await?;
        if !self.take_second_factor(actor, &account, code).await? {
            return Ok(None);
        }
        let codes = new_recovery_codes()?;
        let hashes = codes.iter().map(|code| hash_recovery_code(code)).collect();
        self.store.replace_recovery_codes(visitor.user_row, hashes).await?;
        Ok(Some(codes))
    }

    /// Deletes the account and everything in it; asked by a task of its own, so that nobody who hangs up stops it half-way.
    /// `false`: the password is wrong.
    ///
    /// # Errors
    /// A fault of the database, too many sign-ins at once, or [`Fault::SessionEnded`].
    pub async fn delete_account(
        &self,
        actor: Actor,
        visitor: &AccountSession,
        password: String,
    ) -> Result<bool, Fault> {
        if !self.is_password_of(visitor, password).await? {
            return Ok(false);
        }
        let (store, user) = (self.store.clone(), visitor.user.to_string());
        let deletion = tokio::spawn(async move { store.delete_user(actor, user).await });
        deletion.await.map_err(Fault::internal)?.map(|_| true)
    }
}
