//! Setting up encryption on a device, and starting over.

use data_encoding::BASE64;
use tidelog_protocol::{GetKeyResponse, PutKeyRequest, PutKeyResponse, RotationStateResponse};
use zeroize::Zeroizing;

use super::reseal::ReencryptionPlan;
use super::stored_key::open_with_passphrase;
use crate::blocking::blocking;
use crate::formats::vault::FIRST_KEY_VERSION;
use crate::formats::{OpenedEnvelope, Vault, seal_envelope};
use crate::master_key::HeldKey;
use crate::session::Owner;
use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

/// `wrap_no` of a key's first envelope.
pub(super) const FIRST_WRAP: u32 = 0;
/// `expected_revision` that means "only if there is no key".
const NO_REVISION: u64 = 0;

impl SyncKitClient {
    /// Sets up encryption for a user who may be new: creates a key, wraps it under the passphrase and stores it on
    /// the server.
    ///
    /// If there is a key already, even one that another device stored at this very moment, it is adopted: exactly one
    /// key survives. The passphrase never leaves this machine. Takes a tenth of a second or more of computing, by
    /// design.
    ///
    /// # Errors
    /// - [`SyncKitError::EmptyPassphrase`].
    /// - [`SyncKitError::PassphraseIsPassword`] if the key would be under the password that the user has signed in
    ///   with.
    /// - [`SyncKitError::WrongPassphrase`] if there is a key, and the passphrase does not open it.
    /// - [`SyncKitError::KeyChanged`] and [`SyncKitError::KeyGone`] if the server contradicts what this device knows.
    pub async fn setup_encryption_new(&self, passphrase: &str) -> Result<()> {
        let owner = self.owner_with(passphrase)?;
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        let known = self.pinned_key(owner).await?;
        if let Some(found) = self.server_key().await? {
            return self.adopt(owner, found, known, passphrase).await;
        }
        if known.is_some() {
            return Err(SyncKitError::KeyGone);
        }
        self.refuse_password_as_passphrase(passphrase)?;
        match self.create(owner, passphrase, FIRST_KEY_VERSION, NO_REVISION).await {
            Err(SyncKitError::KeyVersionConflict { .. }) => {
                let found = self.server_key().await?.ok_or(SyncKitError::KeyGone)?;
                self.adopt(owner, found, None, passphrase).await
            }
            outcome => outcome,
        }
    }

    /// Sets up encryption on another device of a user who has a key: fetches it and opens it with the passphrase.
    /// Also the remedy for [`Blocked`](SyncKitError::Blocked), once the user has entered the passphrase.
    ///
    /// # Errors
    /// [`SyncKitError::NoServerKey`] if the user has no key yet, and those of
    /// [`setup_encryption_new`](Self::setup_encryption_new).
    pub async fn setup_encryption_existing(&self, passphrase: &str) -> Result<()> {
        let owner = self.owner_with(passphrase)?;
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        let known = self.pinned_key(owner).await?;
        let found = self.required_server_key(known.as_ref()).await?;
        self.adopt(owner, found, known, passphrase).await
    }

    /// Loads the key that an earlier run stored in the key store (the operating system's keychain unless the client
    /// was built with another one). Returns `false` if there is none. Does not ask the server: the first push does.
    ///
    /// # Errors
    /// [`SyncKitError::NotAuthenticated`], and [`SyncKitError::KeyStore`] if the store cannot be read.
    pub async fn try_load_key_from_keychain(&self) -> Result<bool> {
        let owner = self.owner()?;
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        let Some(key) = self.pinned_key(owner).await? else { return Ok(false) };
        self.encryption.hold(key);
        Ok(true)
    }

    /// Returns whether the user has a key on the server, to choose between
    /// [`setup_encryption_new`](Self::setup_encryption_new) and
    /// [`setup_encryption_existing`](Self::setup_encryption_existing).
    ///
    /// # Errors
    /// Those of every request.
    pub async fn has_server_key(&self) -> Result<bool> {
        Ok(self.server_key().await?.is_some())
    }

    /// Forgets the user's key here, in memory and in the key store, and with it what this device knows of the
    /// server's key. The key on the server stays.
    ///
    /// # Errors
    /// [`SyncKitError::NotAuthenticated`], and [`SyncKitError::KeyStore`] if the store cannot be written.
    pub async fn forget_key(&self) -> Result<()> {
        let account = self.key_store_account(self.owner()?);
        self.encryption.wipe();
        let store = self.encryption.store.clone();
        blocking(move || Ok(store.delete(&account)?)).await
    }

    /// Starts over, for a user who has lost both the passphrase and the recovery key. The account, its devices and
    /// its log stay; a new vault with a new key, under this passphrase, replaces the old one.
    ///
    /// What is in the log so far **can never be read again**. It is kept, and pulls quarantine it. Other devices get
    /// [`KeyChanged`](SyncKitError::KeyChanged): a server alone must not be able to make them accept another vault.
    /// There, the user calls [`forget_key`](Self::forget_key) and sets up encryption with the new passphrase. Local
    /// data can be pushed again. A rotation under way is ended first.
    ///
    /// # Errors
    /// [`SyncKitError::EmptyPassphrase`], [`SyncKitError::PassphraseIsPassword`], [`SyncKitError::NoServerKey`] if
    /// there is no key to replace, and [`SyncKitError::KeyVersionConflict`] if another device changed the key
    /// meanwhile.
    pub async fn start_over(&self, passphrase: &str) -> Result<()> {
        let owner = self.owner_with(passphrase)?;
        self.refuse_password_as_passphrase(passphrase)?;
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        self.end_unreadable_rotation().await?;
        let found = self.server_key().await?.ok_or(SyncKitError::NoServerKey)?;
        let state: RotationStateResponse = self.fetch(&Request::get("/keys/rotate")).await?;
        let next = state.next_key_version;
        self.create(owner, passphrase, next, found.revision).await
    }

    /// Creates a key and stores it on the server, if the key there still has this revision.
    async fn create(
        &self,
        owner: Owner,
        passphrase: &str,
        key_version: u32,
        expected_revision: u64,
    ) -> Result<()> {
        let (cost, hide_names) = (self.encryption.options.cost, self.encryption.options.hide_names);
        let passphrase = Zeroizing::new(passphrase.to_owned());
        let (opened, envelope) = blocking(move || {
            let vault = Vault::generate_as(key_version, hide_names)?;
            let envelope = seal_envelope(&vault, &passphrase, cost, FIRST_WRAP)?;
            Ok((OpenedEnvelope { vault, wrap_no: FIRST_WRAP, slots: Vec::new() }, envelope))
        })
        .await?;
        let body = PutKeyRequest {
            encrypted_key: BASE64.encode(&envelope),
            expected_revision: Some(expected_revision),
            key_version: Some(key_version),
        };
        let answer: PutKeyResponse = self.fetch(&Request::put("/keys", &body)?).await?;
        self.keep(owner, &opened, answer.key_version, None).await.map(drop)
    }

    /// Opens the server's envelope and keeps the key inside, unless it contradicts the known one.
    async fn adopt(
        &self,
        owner: Owner,
        found: GetKeyResponse,
        known: Option<HeldKey>,
        passphrase: &str,
    ) -> Result<()> {
        let opened = open_with_passphrase(&found.encrypted_key, passphrase).await?;
        let key = self.keep(owner, &opened, found.key_version, known.as_ref()).await?;
        let key = self.follow_pending(key, found.pending.as_ref())?;
        let (None, Some(pending)) = (&key.pending, found.pending) else { return Ok(()) };
        match open_with_passphrase(&pending.encrypted_key, passphrase).await {
            Ok(opened) => self.hold_pending(key, pending.key_version, opened),
            // It is not the current key yet; the passphrase will be asked for once it is.
            Err(SyncKitError::WrongPassphrase) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends a rotation whose entries this device cannot read: by cancelling it, or, if entries are under the new key
    /// already, by completing it with the other entries as they are.
    async fn end_unreadable_rotation(&self) -> Result<()> {
        let state: RotationStateResponse = self.fetch(&Request::get("/keys/rotate")).await?;
        let Some(pending) = state.pending else { return Ok(()) };
        if !self.try_to_cancel().await? {
            self.finish_rotation(pending.key_version, ReencryptionPlan::Keep, &mut |_| {}).await?;
        }
        Ok(())
    }
}
