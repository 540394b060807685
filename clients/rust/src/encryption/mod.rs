//! The user's key: made once, found again with the passphrase, checked before it seals anything, replaced without loss.
//!
//! The server keeps one envelope for a user in an app; whoever knows the passphrase can open it. A first set-up only ever
//! creates: if another device was first, its key is adopted. What a device has seen of the envelope it pins in its key store,
//! so that a server can neither hand it another vault or an older key, nor make it set up anew by losing the envelope.

mod follow;
mod password;
mod recovery;
mod reseal;
mod rotate;
mod rotate_blobs;
mod setup;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::BASE64;
use tidelog_protocol::GetKeyResponse;
use zeroize::Zeroizing;

pub use password::PasswordChange;
use password::SignInPassword;
pub use rotate::{RotationOutcome, RotationProgress};

use crate::blocking::blocking;
use crate::formats::{KdfCost, OpenedEnvelope, Pin, Vault, open_envelope};
use crate::keystore::KeyStore;
use crate::pinned;
use crate::session::Owner;
use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

/// A key in use.
#[derive(Clone)]
pub(crate) struct HeldKey {
    pub(crate) owner: Owner,
    pub(crate) vault: Arc<Vault>,
    /// The vault under its next key, while a rotation is under way: entries may be under it already.
    pub(crate) pending: Option<Arc<Vault>>,
    pub(crate) pin: Pin,
    /// Whether the server's envelope was seen to hold this very key since it was loaded.
    pub(crate) checked: bool,
}

impl HeldKey {
    /// The vault that opens entries of this key version, if any does.
    pub(crate) fn vault_for(&self, key_version: u32) -> &Vault {
        match &self.pending {
            Some(pending) if pending.key_version() == key_version => pending,
            _ => &self.vault,
        }
    }

    /// The newest version that can be opened.
    pub(crate) fn newest_version(&self) -> u32 {
        self.pending.as_ref().map_or(self.vault.key_version(), |pending| pending.key_version())
    }
}

impl fmt::Debug for HeldKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("HeldKey")
            .field("owner", &self.owner)
            .field("checked", &self.checked)
            .finish_non_exhaustive()
    }
}

/// What a program has chosen about encryption.
#[derive(Default)]
pub(crate) struct EncryptionOptions {
    pub(crate) cost: KdfCost,
    pub(crate) hide_names: bool,
    pub(crate) passphrase_may_be_password: bool,
}

/// The encryption side of a client.
pub(crate) struct Encryption {
    store: Arc<dyn KeyStore>,
    options: EncryptionOptions,
    password: SignInPassword,
    held: Mutex<Option<HeldKey>>,
    /// Set-ups, checks and rotations run one after the other: the second one finds what the first one did.
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Encryption {
    pub(crate) fn new(store: Arc<dyn KeyStore>, options: EncryptionOptions) -> Self {
        Self {
            store,
            options,
            password: SignInPassword::default(),
            held: Mutex::default(),
            one_at_a_time: tokio::sync::Mutex::default(),
        }
    }

    /// The key of this user, if encryption is set up.
    pub(crate) fn key_of(&self, owner: Owner) -> Result<HeldKey> {
        self.held().clone().filter(|key| key.owner == owner).ok_or(SyncKitError::NoMasterKey)
    }

    /// Checks the key again before the next push.
    pub(crate) fn doubt(&self) {
        if let Some(key) = self.held().as_mut() {
            key.checked = false;
        }
    }

    /// Remembers what somebody signed in with, for as long as they are.
    pub(crate) fn signed_in_with(&self, password: &str) -> Result<()> {
        self.password.remember(password)
    }

    /// Forgets the key in memory.
    pub(crate) fn wipe(&self) {
        *self.held() = None;
    }

    /// Forgets the key and the password in memory.
    pub(crate) fn wipe_all(&self) {
        self.wipe();
        self.password.forget();
    }

    fn hold(&self, key: HeldKey) {
        *self.held() = Some(key);
    }

    fn held(&self) -> MutexGuard<'_, Option<HeldKey>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SyncKitClient {
    /// Keeps the key inside an envelope, in memory and in the key store, unless it contradicts what is known.
    async fn keep(
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
    async fn keep_pinned(&self, owner: Owner, vault: Arc<Vault>, pin: Pin) -> Result<HeldKey> {
        let record = pinned::encode(&vault, pin.wrap_no);
        let (store, account) = (self.encryption.store.clone(), self.account(owner));
        blocking(move || Ok(store.set(&account, &record)?)).await?;
        let key = HeldKey { owner, vault, pending: None, pin, checked: true };
        self.encryption.hold(key.clone());
        Ok(key)
    }

    /// The key that the key store has of this user.
    async fn pinned_key(&self, owner: Owner) -> Result<Option<HeldKey>> {
        let (store, account) = (self.encryption.store.clone(), self.account(owner));
        let record = blocking(move || Ok(store.get(&account)?)).await?;
        let Some(record) = record else { return Ok(None) };
        let (vault, pin) = pinned::decode(&record)?;
        Ok(Some(HeldKey { owner, vault: Arc::new(vault), pending: None, pin, checked: false }))
    }

    /// The key in memory, or that of the key store.
    async fn known_key(&self, owner: Owner) -> Result<Option<HeldKey>> {
        match self.encryption.key_of(owner) {
            Ok(key) => Ok(Some(key)),
            Err(_) => self.pinned_key(owner).await,
        }
    }

    async fn server_key(&self) -> Result<Option<GetKeyResponse>> {
        match self.fetch(&Request::get("/keys")).await {
            Ok(found) => Ok(Some(found)),
            Err(SyncKitError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The server's key, which there must be: [`SyncKitError::KeyGone`] to a device that has seen one.
    async fn required_server_key(&self, known: Option<&HeldKey>) -> Result<GetKeyResponse> {
        let missing = if known.is_some() { SyncKitError::KeyGone } else { SyncKitError::NoServerKey };
        self.server_key().await?.ok_or(missing)
    }

    fn owner_with(&self, passphrase: &str) -> Result<Owner> {
        let owner = self.owner()?;
        if passphrase.is_empty() { Err(SyncKitError::EmptyPassphrase) } else { Ok(owner) }
    }

    /// What the key is filed under in the key store.
    fn account(&self, owner: Owner) -> String {
        format!("{}#{}#{}", self.server_url, owner.app_id, owner.user_id)
    }
}

fn decoded(encrypted_key: &str) -> Result<Vec<u8>> {
    let not_base64 = |_| SyncKitError::BadAnswer(String::from("the key is not base64"));
    BASE64.decode(encrypted_key.as_bytes()).map_err(not_base64)
}

/// Opens an envelope off the async threads: this runs Argon2.
async fn opened_with_passphrase(encrypted_key: &str, passphrase: &str) -> Result<OpenedEnvelope> {
    let envelope = decoded(encrypted_key)?;
    let passphrase = Zeroizing::new(passphrase.to_owned());
    blocking(move || Ok(open_envelope(&envelope, &passphrase)?)).await
}
