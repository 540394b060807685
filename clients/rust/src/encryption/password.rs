//! Changing the account's password and the passphrase together.

use tidelog_protocol::{ChangePasswordRequest, PutKeyResponse};
use zeroize::Zeroizing;

use super::rewrap::{NewSecrets, RewrappedKey};
use crate::session::Owner;
use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

/// The arguments of [`SyncKitClient::change_password_and_passphrase`]. Their `Debug` output shows none of them.
#[derive(Clone, Copy)]
pub struct PasswordChange<'a> {
    /// The account's password until now.
    pub current_password: &'a str,
    /// The account's password from now on, at most 128 bytes.
    pub new_password: &'a str,
    /// The passphrase until now.
    pub current_passphrase: &'a str,
    /// The passphrase from now on.
    pub new_passphrase: &'a str,
    /// For accounts with two-factor authentication: a code of the authenticator app, or a recovery code.
    pub code: Option<&'a str>,
}

impl std::fmt::Debug for PasswordChange<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("PasswordChange").finish_non_exhaustive()
    }
}

impl SyncKitClient {
    /// Changes the account's password and the passphrase to the same new value, both or neither. For apps whose users
    /// have one password for both. All other sessions of the account end.
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

    /// Changes the account's password and the passphrase in one request: both or neither. All other sessions of the
    /// account end, in all apps.
    ///
    /// # Errors
    /// In each of these cases nothing has changed:
    /// - [`SyncKitError::InvalidCredentials`] for a wrong password or code, [`SyncKitError::TwoFactorRequired`] if a
    ///   code is missing, [`SyncKitError::WrongPassphrase`] for a wrong passphrase;
    /// - [`SyncKitError::EmptyPassphrase`], [`SyncKitError::PassphraseIsPassword`], [`SyncKitError::InvalidField`]
    ///   for a new password that the server does not accept;
    /// - [`SyncKitError::KeyVersionConflict`] if another device changed the key meanwhile,
    ///   [`SyncKitError::RateLimited`].
    ///
    /// After [`SyncKitError::Network`] both may have changed: call again with the same arguments.
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
        let secrets = NewSecrets { passphrase, recovery_key: None };
        let RewrappedKey { opened, encrypted_key, revision } = self.rewrap(found, opened, secrets).await?;
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

    /// The current passphrase does not open the key. If the new one does, and the new password is right, an earlier
    /// attempt succeeded and its answer was lost.
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
}
