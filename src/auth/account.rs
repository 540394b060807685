//! What users do with their account once they are signed in to it: password, second factor, deletion.

use super::Auth;
use super::second_factors::{
    Secret, enrolment_url, hash_recovery_code, new_recovery_codes, new_secret, secret_as_text, time_step,
};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::users::check_new_password;
use crate::store::{Account, AccountSession};

/// An unconfirmed second factor. No `Debug`: it is a secret.
pub struct Enrolment {
    /// The secret, for typing into an authenticator app.
    pub secret: String,
    /// The same as an `otpauth` URL, for a QR code.
    pub url: String,
}

/// The outcome of setting a password in the account.
pub enum SetPasswordOutcome {
    /// The password was set, and all sessions of the user ended.
    Done,
    /// The current password is wrong.
    Refused,
    /// The new password is not acceptable, for this reason.
    Unacceptable(String),
}

impl Auth {
    /// The account of an account session.
    ///
    /// # Errors
    /// [`Fault::SessionEnded`].
    pub async fn account_of(&self, session: &AccountSession) -> Result<Account, Fault> {
        let account = self.store.account_of_user(session.user).await?;
        account.filter(|account| !account.disabled).ok_or(Fault::SessionEnded)
    }

    /// Sets the password of an account. The encryption key, and the passphrase that protects it, do not change.
    ///
    /// # Errors
    /// [`Fault::SessionEnded`], or [`Fault::Unavailable`] if too many passwords are being hashed.
    pub async fn set_account_password(
        &self,
        actor: Actor,
        session: &AccountSession,
        current: String,
        new: String,
    ) -> Result<SetPasswordOutcome, Fault> {
        let account = self.account_of(session).await?;
        if !self.passwords.verify(current, Some(account.password_hash.clone())).await? {
            return Ok(SetPasswordOutcome::Refused);
        }
        if let Err(reason) = check_new_password(&new) {
            return Ok(SetPasswordOutcome::Unacceptable(reason));
        }
        let hash = self.passwords.hash(new).await?;
        Ok(match self.store.replace_password(actor, account.row, account.password_hash, hash).await? {
            true => SetPasswordOutcome::Done,
            false => SetPasswordOutcome::Refused,
        })
    }

    /// Begins to enrol a second factor. `None`: one is enabled already.
    pub async fn enrol_second_factor(&self, session: &AccountSession) -> Result<Option<Enrolment>, Fault> {
        let secret = new_secret()?;
        let is_stored = self.store.enrol_second_factor(session.user_row, secret).await?;
        Ok(is_stored.then(|| self.enrolment(session, &secret)))
    }

    /// The unconfirmed second factor.
    pub async fn unconfirmed_second_factor(
        &self,
        session: &AccountSession,
    ) -> Result<Option<Enrolment>, Fault> {
        let secret = self.store.unconfirmed_second_factor(session.user_row).await?;
        Ok(secret.map(|secret| self.enrolment(session, &secret)))
    }

    fn enrolment(&self, session: &AccountSession, secret: &Secret) -> Enrolment {
        let url = enrolment_url(secret, &self.settings.issuer_name(), &session.email);
        Enrolment { secret: secret_as_text(secret), url }
    }

    /// Enables the unconfirmed second factor by its first code. Returns the recovery codes. `None`: the code is
    /// wrong, or there is no unconfirmed second factor.
    pub async fn confirm_second_factor(
        &self,
        actor: Actor,
        session: &AccountSession,
        code: &str,
    ) -> Result<Option<Vec<String>>, Fault> {
        let user = session.user_row;
        let Some(secret) = self.store.unconfirmed_second_factor(user).await? else { return Ok(None) };
        let code: String = code.chars().filter(|char| !char.is_whitespace()).collect();
        let Some(step) = time_step(&secret, &code, self.clock.now_seconds()) else { return Ok(None) };
        let codes = new_recovery_codes()?;
        let hashes = codes.iter().map(|code| hash_recovery_code(code)).collect();
        let confirmed = self.store.confirm_second_factor(actor, user, secret, step, hashes).await?;
        Ok(confirmed.then_some(codes))
    }

    /// Disables the second factor, for which one of its codes is needed. `false`: the code is wrong, or there is no
    /// second factor.
    ///
    /// # Errors
    /// [`Fault::SessionEnded`].
    pub async fn disable_second_factor(
        &self,
        actor: Actor,
        session: &AccountSession,
        code: &str,
    ) -> Result<bool, Fault> {
        let account = self.account_of(session).await?;
        Ok(self.use_second_factor(actor, &account, code).await?
            && self.store.disable_second_factor(actor, session.user_row).await?)
    }

    /// Replaces the recovery codes, for which a code is needed. `None`: the code is wrong, or there is no second
    /// factor.
    ///
    /// # Errors
    /// [`Fault::SessionEnded`].
    pub async fn replace_recovery_codes(
        &self,
        actor: Actor,
        session: &AccountSession,
        code: &str,
    ) -> Result<Option<Vec<String>>, Fault> {
        let account = self.account_of(session).await?;
        if !self.use_second_factor(actor, &account, code).await? {
            return Ok(None);
        }
        let codes = new_recovery_codes()?;
        let hashes = codes.iter().map(|code| hash_recovery_code(code)).collect();
        self.store.replace_recovery_codes(session.user_row, hashes).await?;
        Ok(Some(codes))
    }

    /// Deletes an account and everything in it, in a task of its own: a client that hangs up does not stop it
    /// half-way. `false`: the password is wrong.
    ///
    /// # Errors
    /// [`Fault::SessionEnded`], or [`Fault::Unavailable`] if too many passwords are being hashed.
    pub async fn delete_account(
        &self,
        actor: Actor,
        session: &AccountSession,
        password: String,
    ) -> Result<bool, Fault> {
        let account = self.account_of(session).await?;
        if !self.passwords.verify(password, Some(account.password_hash)).await? {
            return Ok(false);
        }
        let (store, user) = (self.store.clone(), session.user.to_string());
        let deletion = tokio::spawn(async move { store.delete_user(actor, user).await });
        deletion.await.map_err(Fault::internal)?.map(|_| true)
    }
}
