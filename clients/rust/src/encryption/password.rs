//! Account password and passphrase: the one goes to the server, the other must not, so they had better differ.

use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tidelog_protocol::{ChangePasswordRequest, PutKeyResponse};
use zeroize::Zeroizing;

use super::recovery::{NewSecrets, Rewrapped};
use crate::formats::FormatError;
use crate::session::Owner;
use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

const SALT_BYTES: usize = 16;

/// What somebody signed in with, as a salted hash: enough to notice that a passphrase is the same.
#[derive(Default)]
pub(super) struct SignInPassword(Mutex<Option<([u8; SALT_BYTES], [u8; 32])>>);

impl SignInPassword {
    pub(super) fn remember(&self, password: &str) -> Result<()> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(FormatError::from)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((salt, hash(&salt, password)));
        Ok(())
    }

    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn is(&self, text: &str) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().is_some_and(|(salt, known)| hash(salt, text).ct_eq(known).into())
    }
}

fn hash(salt: &[u8; SALT_BYTES], text: &str) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(text).finalize().into()
}

/// What [`SyncKitClient::change_password_and_passphrase`] changes, and into what. Its `Debug` output shows nothing of it.
#[derive(Clone, Copy)]
pub struct PasswordChange<'a> {
    /// The account's password until now.
    pub current_password: &'a str,
    /// The account's password from now on, at most 128 bytes.
    pub new_password: &'a str,
    /// What opens the key until now.
    pub current_passphrase: &'a str,
    /// What opens the key from now on.
    pub new_passphrase: &'a str,
    /// Of an account with a second factor: a code of it, or a recovery code.
    pub code: Option<&'a str>,
}

impl std::fmt::Debug for PasswordChange<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("PasswordChange").finish_non_exhaustive()
    }
}

impl SyncKitClient {
    /// For apps whose users have one password for both: changes the account's password and puts the key under the new one,
    /// neither without the other. All other sessions of the account end.
    ///
    /// # Errors
    /// [`SyncKitError::PassphraseIsPassword`] unless the client was built with
    /// [`allow_passphrase_as_password`](crate::ClientBuilder::allow_passphrase_as_password), and those of
    /// [`change_password_and_passphrase`](Self::change_password_and_passphrase).
    pub async fn change_password(&self, current: &str, new: &str) -> Result<()> {
        self.change_password_and_passphrase(PasswordChange {
            current_password: current,
            new_password: new,
            current_passphrase: current,
            new_passphrase: new,
            code: None,
        })
        .await
    }

    /// Changes the account's password and puts the key under another passphrase in one request: both happen or neither does.
    /// All other sessions of the account end, in all apps.
    ///
    /// # Errors
    /// [`SyncKitError::InvalidCredentials`] for a wrong password or code, [`SyncKitError::TwoFactorRequired`] where a code is missing,
    /// [`SyncKitError::WrongPassphrase`] for a wrong passphrase,
    /// [`SyncKitError::EmptyPassphrase`], [`SyncKitError::PassphraseIsPassword`], [`SyncKitError::InvalidField`] for a new
    /// password that the server does not take, [`SyncKitError::KeyVersionConflict`] if another device changed the key
    /// meanwhile, [`SyncKitError::RateLimited`]. In each case nothing has changed. After
    /// [`SyncKitError::Network`] both may have: try the same again.
    pub async fn change_password_and_passphrase(&self, change: PasswordChange<'_>) -> Result<()> {
        let owner = self.owner_with(change.current_passphrase)?;
        self.owner_with(change.new_passphrase)?;
        let allowed = self.encryption.options.passphrase_may_be_password;
        if change.new_passphrase == change.new_password && !allowed {
            return Err(SyncKitError::PassphraseIsPassword);
        }
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        let (found, opened) = match self.opened_key(owner, change.current_passphrase).await {
            Err(SyncKitError::WrongPassphrase) => return self.confirm_change(owner, change).await,
            opened => opened?,
        };
        let passphrase = Some(Zeroizing::new(change.new_passphrase.to_owned()));
        let rewrapped = self.rewrapped(found, opened, NewSecrets { passphrase, code: None }).await?;
        let Rewrapped { opened, encrypted_key, revision } = rewrapped;
        let body = ChangePasswordRequest {
            current_password: change.current_password.to_owned(),
            new_password: change.new_password.to_owned(),
            encrypted_key: Some(encrypted_key),
            expected_revision: Some(revision),
            code: change.code.map(ToOwned::to_owned),
        };
        let answer: PutKeyResponse = self.fetch(&Request::post("/auth/password", &body)?).await?;
        self.encryption.signed_in_with(change.new_password)?;
        self.keep(owner, &opened, answer.key_version, None).await.map(drop)
    }

    /// The old passphrase does not open the key. If the new one does, and the new password is good, an earlier try succeeded
    /// whose answer was lost.
    async fn confirm_change(&self, owner: Owner, change: PasswordChange<'_>) -> Result<()> {
        let (found, opened) = self.opened_key(owner, change.new_passphrase).await?;
        let body = ChangePasswordRequest {
            current_password: change.new_password.to_owned(),
            new_password: change.new_password.to_owned(),
            encrypted_key: None,
            expected_revision: None,
            code: None,
        };
        self.fetch::<PutKeyResponse>(&Request::post("/auth/password", &body)?).await?;
        self.encryption.signed_in_with(change.new_password)?;
        self.keep(owner, &opened, found.key_version, None).await.map(drop)
    }

    /// Refuses to put a key under what the server is told at every sign-in, as far as this client knows it.
    pub(super) fn refuse_password_as_passphrase(&self, passphrase: &str) -> Result<()> {
        let encryption = &self.encryption;
        if !encryption.options.passphrase_may_be_password && encryption.password.is(passphrase) {
            return Err(SyncKitError::PassphraseIsPassword);
        }
        Ok(())
    }
}
