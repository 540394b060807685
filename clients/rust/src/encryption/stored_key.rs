//! Where keys come from and are kept: the server's envelope, the key store, memory.

use std::sync::Arc;

use data_encoding::BASE64;
use tidelog_protocol::GetKeyResponse;
use zeroize::Zeroizing;

use crate::blocking::blocking;
use crate::formats::{OpenedEnvelope, Pin, PinError, Vault, open_envelope};
use crate::master_key::HeldKey;
use crate::session::Owner;
use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError, pinned};

impl SyncKitClient {
    /// Keeps the key inside an envelope, in memory and in the key store, unless it contradicts the known one.
    pub(super) async fn keep(
        &self,
        owner: Owner,
        opened: &OpenedEnvelope,
        server_version: u32,
        known: Option<&HeldKey>,
    ) -> Result<HeldKey> {
        let pin = Pin::accept(known.map(|key| key.pin), opened, server_version)?;
        self.keep_pinned(owner, Arc::new(opened.vault.clone()), pin).await
    }

    /// Keeps a key that is known to be the server's current one.
    pub(super) async fn keep_pinned(&self, owner: Owner, vault: Arc<Vault>, pin: Pin) -> Result<HeldKey> {
        let record = pinned::encode(&vault, pin.wrap_no);
        let (store, account) = (self.encryption.store.clone(), self.key_store_account(owner));
        blocking(move || Ok(store.set(&account, &record)?)).await?;
        let key = HeldKey { owner, vault, pending: None, pin, checked: true };
        self.encryption.hold(key.clone());
        Ok(key)
    }

    /// Returns this user's key from the key store.
    pub(super) async fn pinned_key(&self, owner: Owner) -> Result<Option<HeldKey>> {
        let (store, account) = (self.encryption.store.clone(), self.key_store_account(owner));
        let record = blocking(move || Ok(store.get(&account)?)).await?;
        let Some(record) = record else { return Ok(None) };
        let (vault, pin) = pinned::decode(&record)?;
        Ok(Some(HeldKey { owner, vault: Arc::new(vault), pending: None, pin, checked: false }))
    }

    /// Returns the key in memory, or that of the key store.
    pub(super) async fn known_key(&self, owner: Owner) -> Result<Option<HeldKey>> {
        match self.encryption.key_for(owner) {
            Ok(key) => Ok(Some(key)),
            Err(_) => self.pinned_key(owner).await,
        }
    }

    pub(super) async fn server_key(&self) -> Result<Option<GetKeyResponse>> {
        match self.fetch(&Request::get("/keys")).await {
            Ok(found) => Ok(Some(found)),
            Err(SyncKitError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the server's key, which must exist: for a device that has seen one, its absence is
    /// [`SyncKitError::KeyGone`].
    pub(super) async fn required_server_key(&self, known: Option<&HeldKey>) -> Result<GetKeyResponse> {
        let missing = if known.is_some() { SyncKitError::KeyGone } else { SyncKitError::NoServerKey };
        self.server_key().await?.ok_or(missing)
    }

    /// Returns the account under which the key store keeps this user's key.
    pub(super) fn key_store_account(&self, owner: Owner) -> String {
        format!("{}#{}#{}", self.server_url, owner.app_id, owner.user_id)
    }
}

pub(super) fn decode_envelope(encrypted_key: &str) -> Result<Vec<u8>> {
    let not_base64 = |_| SyncKitError::BadAnswer(String::from("the key is not base64"));
    BASE64.decode(encrypted_key.as_bytes()).map_err(not_base64)
}

/// Opens an envelope on a thread that may block, since this runs Argon2.
pub(super) async fn open_with_passphrase(encrypted_key: &str, passphrase: &str) -> Result<OpenedEnvelope> {
    let envelope = decode_envelope(encrypted_key)?;
    let passphrase = Zeroizing::new(passphrase.to_owned());
    blocking(move || Ok(open_envelope(&envelope, &passphrase)?)).await
}

/// The error for a server that gives another key version than its envelope.
pub(super) fn other_version(server: u32, envelope: u32) -> SyncKitError {
    PinError::OtherVersion { server, envelope }.into()
}
