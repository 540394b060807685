//! Changing the password from within an app, together with the key envelope of that app: both change or neither does.
//!
//! If the answer is lost, the client repeats the request, and must then get the same answer although its current
//! password is no longer right. A repeat is recognised by its result: the new password is set already, and the
//! envelope is stored byte for byte.

use super::Auth;
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::keys::{KeyState, Rewrap};
use crate::model::sessions::Caller;
use crate::model::users::check_new_password;
use crate::store::{PasswordUpdate, PasswordUpdateOutcome};

/// How often a change is tried when another one was faster. After the second time, the current password of this one
/// is wrong, or what it asks for is done.
const MAX_TRIES: usize = 2;

/// The outcome of a password change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangePasswordOutcome {
    /// Password and envelope were replaced; this is the state of the app's key. All other sessions of the user have
    /// ended.
    Done(KeyState),
    /// The current password is wrong.
    Refused,
    /// The current password is right, but a code of the second factor is required, too.
    TwoFactorRequired,
    /// The current password is right, but the code is wrong or was used before.
    WrongCode,
    /// The current password is right, but the new one is not acceptable, for this reason.
    Unacceptable(String),
    /// The envelope was changed meanwhile, or there is none to replace.
    KeyConflict(KeyState),
    /// The key is being rotated, so its envelope cannot be replaced.
    RotationInProgress,
}

impl Auth {
    /// Replaces the password of the caller's account, and the envelope around the same key in their log. Whatever is
    /// wrong with the passwords, two hashes are computed.
    ///
    /// # Errors
    /// [`Fault::SessionEnded`], or [`Fault::Unavailable`] if too many passwords are being hashed.
    pub async fn change_password(
        &self,
        actor: Actor,
        caller: &Caller,
        current: String,
        new: String,
        rewrap: Option<Rewrap>,
        code: Option<&str>,
    ) -> Result<ChangePasswordOutcome, Fault> {
        let acceptable = check_new_password(&new);
        let mut needs_code = true;
        for _ in 0..MAX_TRIES {
            let Some(stored) = self.store.password_hash(caller).await? else {
                self.passwords.verify(current, None).await?;
                self.passwords.verify(new, None).await?;
                return Ok(ChangePasswordOutcome::Refused);
            };
            let is_right = self.passwords.verify(current.clone(), Some(stored.clone())).await?;
            if !is_right || current == new {
                let is_set = self.passwords.verify(new.clone(), Some(stored.clone())).await?;
                let encrypted_key = rewrap.as_ref().map(|rewrap| rewrap.encrypted_key.clone());
                if is_set
                    && let Some(key) = self.store.key_state_if(caller, stored.clone(), encrypted_key).await?
                {
                    return Ok(ChangePasswordOutcome::Done(key));
                }
                if !is_right {
                    return Ok(ChangePasswordOutcome::Refused);
                }
            }
            if let Err(reason) = acceptable {
                self.passwords.verify(new, None).await?;
                return Ok(ChangePasswordOutcome::Unacceptable(reason));
            }
            if needs_code && let Some(refusal) = self.check_second_factor(actor, caller, code).await? {
                return Ok(refusal);
            }
            // The code is used up now, and is not asked for again in the next try.
            needs_code = false;
            let password_hash = self.passwords.hash(new.clone()).await?;
            let update = PasswordUpdate { checked_hash: stored, password_hash, rewrap: rewrap.clone() };
            match self.store.change_password(actor, caller, update).await? {
                PasswordUpdateOutcome::Updated(key) => return Ok(ChangePasswordOutcome::Done(key)),
                PasswordUpdateOutcome::KeyConflict(key) => {
                    return Ok(ChangePasswordOutcome::KeyConflict(key));
                }
                PasswordUpdateOutcome::RotationInProgress => {
                    return Ok(ChangePasswordOutcome::RotationInProgress);
                }
                PasswordUpdateOutcome::Outdated => {}
            }
        }
        Ok(ChangePasswordOutcome::Refused)
    }

    /// The outcome if the second factor does not allow the change. Checked last, since it uses the code up.
    async fn check_second_factor(
        &self,
        actor: Actor,
        caller: &Caller,
        code: Option<&str>,
    ) -> Result<Option<ChangePasswordOutcome>, Fault> {
        let account = self.store.account_of_user(caller.user).await?;
        let Some(account) = account.filter(|account| account.second_factor.is_some()) else {
            return Ok(None);
        };
        let Some(code) = code else { return Ok(Some(ChangePasswordOutcome::TwoFactorRequired)) };
        let is_right = self.use_second_factor(actor, &account, code).await?;
        Ok((!is_right).then_some(ChangePasswordOutcome::WrongCode))
    }
}
