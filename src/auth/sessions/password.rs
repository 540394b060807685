//! A person gives their account another password, and the key envelope of the app goes with it: both change or neither does.
//!
//! An answer can get lost, and the same request must then be answered as the first time, although its current password is no
//! longer right. It is known by what it wanted being there already: the new password, and the envelope byte for byte.

use super::Auth;
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::keys::{KeyState, Rewrap};
use crate::model::sessions::Caller;
use crate::model::users::check_new_password;
use crate::store::{NewPassword, SetPassword};

/// How often a change starts anew because another one was faster. After the second, this one's current password is wrong or
/// what it wants is there.
const TRIES: usize = 2;

/// What came of asking for another password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordChange {
    /// It is in force, and this is the state of the app's key; all other sessions of the user are over.
    Done(KeyState),
    /// The current password is wrong.
    Refused,
    /// The current password is right, and the account wants a code of its second factor, too.
    TwoFactorRequired,
    /// The current password is right, the code is wrong or was used.
    WrongCode,
    /// The current password is right, but the new one may not be given; why, in a sentence.
    Unacceptable(String),
    /// The envelope was changed meanwhile, or there is none to replace.
    KeyConflict(KeyState),
    /// The key is being rotated, so its envelope cannot be replaced.
    RotationInProgress,
}

impl Auth {
    /// Gives the caller's account another password, and its log another envelope around the same key. Whatever is wrong with
    /// the passwords, two hashes are worked out.
    ///
    /// # Errors
    /// A fault of the database, too many sign-ins at once, or [`Fault::SessionEnded`].
    pub async fn change_password(
        &self,
        actor: Actor,
        caller: &Caller,
        current: String,
        new: String,
        rewrap: Option<Rewrap>,
        code: Option<&str>,
    ) -> Result<PasswordChange, Fault> {
        let acceptable = check_new_password(&new);
        let mut needs_code = true;
        for _ in 0..TRIES {
            let Some(stored) = self.store.password_hash(caller).await? else {
                self.passwords.verify(current, None).await?;
                self.passwords.verify(new, None).await?;
                return Ok(PasswordChange::Refused);
            };
            let right = self.passwords.verify(current.clone(), Some(stored.clone())).await?;
            if !right || current == new {
                let there = self.passwords.verify(new.clone(), Some(stored.clone())).await?;
                let encrypted_key = rewrap.as_ref().map(|rewrap| rewrap.encrypted_key.clone());
                if there
                    && let Some(key) = self.store.key_beside(caller, stored.clone(), encrypted_key).await?
                {
                    return Ok(PasswordChange::Done(key));
                }
                if !right {
                    return Ok(PasswordChange::Refused);
                }
            }
            if let Err(reason) = acceptable {
                self.passwords.verify(new, None).await?;
                return Ok(PasswordChange::Unacceptable(reason));
            }
            if needs_code && let Some(refused) = self.second_factor_refuses(actor, caller, code).await? {
                return Ok(refused);
            }
            // It was taken, and is none for the next try.
            needs_code = false;
            let password_hash = self.passwords.hash(new.clone()).await?;
            let change = NewPassword { checked: stored, password_hash, rewrap: rewrap.clone() };
            match self.store.change_password(actor, caller, change).await? {
                SetPassword::Done(key) => return Ok(PasswordChange::Done(key)),
                SetPassword::KeyConflict(key) => return Ok(PasswordChange::KeyConflict(key)),
                SetPassword::RotationInProgress => return Ok(PasswordChange::RotationInProgress),
                SetPassword::Overtaken => {}
            }
        }
        Ok(PasswordChange::Refused)
    }

    /// Why the second factor stands in the way of a change, if it does. Asked last: a code is used up by it.
    async fn second_factor_refuses(
        &self,
        actor: Actor,
        caller: &Caller,
        code: Option<&str>,
    ) -> Result<Option<PasswordChange>, Fault> {
        let account = self.store.account_of_user(caller.user).await?;
        let Some(account) = account.filter(|account| account.second_factor.is_some()) else {
            return Ok(None);
        };
        let Some(code) = code else { return Ok(Some(PasswordChange::TwoFactorRequired)) };
        let taken = self.take_second_factor(actor, &account, code).await?;
        Ok((!taken).then_some(PasswordChange::WrongCode))
    }
}
