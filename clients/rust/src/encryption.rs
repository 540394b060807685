//! The user's key: made once, found again with the passphrase, checked before it seals anything.
//!
//! The server keeps one envelope for a user in an app; whoever knows the passphrase can open it. A first set-up only ever
//! creates: if another device was first, its key is adopted. What a device has seen of the envelope it pins in its key store,
//! so that a server can neither hand it another vault or an older key, nor make it set up anew by losing the envelope.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::BASE64;
use tidelog_protocol::{GetKeyResponse, PutKeyRequest, PutKeyResponse};
use zeroize::Zeroizing;

use crate::blocking::blocking;
use crate::formats::envelope::Envelope;
use crate::formats::{KdfCost, OpenedEnvelope, Pin, PinError, Vault, open_envelope, seal_envelope};
use crate::keystore::KeyStore;
use crate::pinned;
use crate::session::Owner;
use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

/// `wrap_no` of a key's first envelope.
const FIRST_WRAP: u32 = 0;
/// `expected_revision` that means "only if there is none".
const NO_REVISION: u64 = 0;

/// A key in use.
#[derive(Clone)]
pub(crate) struct HeldKey {
    pub(crate) owner: Owner,
    pub(crate) vault: Arc<Vault>,
    pub(crate) pin: Pin,
    /// Whether the server's envelope was seen to hold this very key since it was loaded.
    pub(crate) checked: bool,
}

/// The encryption side of a client.
pub(crate) struct Encryption {
    store: Arc<dyn KeyStore>,
    cost: KdfCost,
    held: Mutex<Option<HeldKey>>,
    /// Set-ups and checks run one after the other: the second one finds what the first one did.
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Encryption {
    pub(crate) fn new(store: Arc<dyn KeyStore>, cost: KdfCost) -> Self {
        Self { store, cost, held: Mutex::default(), one_at_a_time: tokio::sync::Mutex::default() }
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

    /// Forgets the key in memory.
    pub(crate) fn wipe(&self) {
        *self.held() = None;
    }

    fn hold(&self, key: HeldKey) {
        *self.held() = Some(key);
    }

    fn held(&self) -> MutexGuard<'_, Option<HeldKey>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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

impl SyncKitClient {
    /// Sets up encryption for a user who may be new: makes a key, wraps it under the passphrase and puts it on the server.
    ///
    /// If there is a key already, also one that another device has put there in this very moment, it is adopted: exactly
    /// one key survives. The passphrase stays on this machine. Takes a tenth of a second or more of computing, by design.
    ///
    /// # Errors
    /// [`SyncKitError::EmptyPassphrase`]; [`SyncKitError::WrongPassphrase`] if the passphrase does not open the key that is
    /// there; [`SyncKitError::KeyChanged`] and [`SyncKitError::KeyGone`] if the server contradicts what this device knows.
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
        match self.create(owner, passphrase).await {
            Err(SyncKitError::KeyVersionConflict { .. }) => {
                let found = self.server_key().await?.ok_or(SyncKitError::KeyGone)?;
                self.adopt(owner, found, None, passphrase).await
            }
            outcome => outcome,
        }
    }

    /// Sets up encryption on another device of a user who has a key: fetches it and opens it with the passphrase.
    ///
    /// # Errors
    /// [`SyncKitError::NoServerKey`] if the user has none yet, and those of
    /// [`setup_encryption_new`](Self::setup_encryption_new).
    pub async fn setup_encryption_existing(&self, passphrase: &str) -> Result<()> {
        let owner = self.owner_with(passphrase)?;
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        let known = self.pinned_key(owner).await?;
        match self.server_key().await? {
            Some(found) => self.adopt(owner, found, known, passphrase).await,
            None if known.is_some() => Err(SyncKitError::KeyGone),
            None => Err(SyncKitError::NoServerKey),
        }
    }

    /// Loads the key that an earlier run left in the key store (the operating system's keychain unless the client was built
    /// with another); `false` if there is none. Does not ask the server: the first push does.
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

    /// Whether the user has a key on the server: tells
    /// [`setup_encryption_new`](Self::setup_encryption_new) from
    /// [`setup_encryption_existing`](Self::setup_encryption_existing).
    ///
    /// # Errors
    /// Those of every request.
    pub async fn has_server_key(&self) -> Result<bool> {
        Ok(self.server_key().await?.is_some())
    }

    /// Forgets the user's key here, in memory and in the key store, and with it what this device knows of the server's key.
    /// The key on the server stays.
    ///
    /// # Errors
    /// [`SyncKitError::NotAuthenticated`], and [`SyncKitError::KeyStore`] if the store cannot be written.
    pub async fn forget_key(&self) -> Result<()> {
        let account = self.account(self.owner()?);
        self.encryption.wipe();
        let store = self.encryption.store.clone();
        blocking(move || Ok(store.delete(&account)?)).await
    }

    /// The key to seal with: the server's envelope was seen to hold it.
    pub(crate) async fn checked_key(&self, owner: Owner) -> Result<HeldKey> {
        let key = self.encryption.key_of(owner)?;
        if key.checked {
            return Ok(key);
        }
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        let key = self.encryption.key_of(owner)?;
        if !key.checked {
            self.check_against_server(&key).await?;
            self.encryption.hold(HeldKey { checked: true, ..key.clone() });
        }
        Ok(key)
    }

    /// Whether the server's envelope holds this key, as far as it can be seen without the passphrase.
    pub(crate) async fn check_against_server(&self, key: &HeldKey) -> Result<()> {
        let found = self.server_key().await?.ok_or(SyncKitError::KeyGone)?;
        let envelope = decoded(&found)?;
        let header = Envelope::parse(&envelope)?.header;
        let Pin { vault_id, key_version: have, key_id, wrap_no } = key.pin;
        let refused = if header.vault_id != vault_id {
            PinError::OtherVault
        } else if found.key_version > have {
            return Err(SyncKitError::WrongKey { have, want: found.key_version });
        } else if header.key_version != found.key_version {
            PinError::OtherVersion { server: found.key_version, envelope: header.key_version }
        } else if found.key_version < have {
            PinError::OlderKey
        } else if header.key_id != key_id {
            PinError::OtherKey
        } else if header.wrap_no < wrap_no {
            PinError::OlderWrap
        } else {
            return Ok(());
        };
        Err(refused.into())
    }

    /// Makes a key and puts it on the server, if there is none.
    async fn create(&self, owner: Owner, passphrase: &str) -> Result<()> {
        let cost = self.encryption.cost;
        let passphrase = Zeroizing::new(passphrase.to_owned());
        let (vault, envelope) = blocking(move || {
            let vault = Vault::generate()?;
            let envelope = seal_envelope(&vault, &passphrase, cost, FIRST_WRAP)?;
            Ok((vault, envelope))
        })
        .await?;
        let body = PutKeyRequest {
            encrypted_key: BASE64.encode(&envelope),
            expected_revision: Some(NO_REVISION),
            key_version: Some(vault.key_version()),
        };
        let answer: PutKeyResponse = self.fetch(&Request::put("/keys", &body)?).await?;
        if answer.key_version != vault.key_version() {
            let (server, envelope) = (answer.key_version, vault.key_version());
            return Err(PinError::OtherVersion { server, envelope }.into());
        }
        self.keep(
            owner,
            OpenedEnvelope { vault, wrap_no: FIRST_WRAP, slots: Vec::new() },
            answer.key_version,
            None,
        )
        .await
    }

    /// Opens the server's envelope and takes the key inside, unless it contradicts what is known.
    async fn adopt(
        &self,
        owner: Owner,
        found: GetKeyResponse,
        known: Option<HeldKey>,
        passphrase: &str,
    ) -> Result<()> {
        let envelope = decoded(&found)?;
        let passphrase = Zeroizing::new(passphrase.to_owned());
        let opened = blocking(move || Ok(open_envelope(&envelope, &passphrase)?)).await?;
        self.keep(owner, opened, found.key_version, known).await
    }

    async fn keep(
        &self,
        owner: Owner,
        opened: OpenedEnvelope,
        server_version: u32,
        known: Option<HeldKey>,
    ) -> Result<()> {
        let pin = Pin::accept(known.map(|key| key.pin), &opened, server_version)?;
        let record = pinned::encode(&opened.vault, pin.wrap_no);
        let (store, account) = (self.encryption.store.clone(), self.account(owner));
        blocking(move || Ok(store.set(&account, &record)?)).await?;
        self.encryption.hold(HeldKey { owner, vault: Arc::new(opened.vault), pin, checked: true });
        Ok(())
    }

    async fn pinned_key(&self, owner: Owner) -> Result<Option<HeldKey>> {
        let (store, account) = (self.encryption.store.clone(), self.account(owner));
        let record = blocking(move || Ok(store.get(&account)?)).await?;
        let Some(record) = record else { return Ok(None) };
        let (vault, pin) = pinned::decode(&record)?;
        Ok(Some(HeldKey { owner, vault: Arc::new(vault), pin, checked: false }))
    }

    async fn server_key(&self) -> Result<Option<GetKeyResponse>> {
        match self.fetch(&Request::get("/keys")).await {
            Ok(found) => Ok(Some(found)),
            Err(SyncKitError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
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

fn decoded(found: &GetKeyResponse) -> Result<Vec<u8>> {
    let not_base64 = |_| SyncKitError::BadAnswer(String::from("the key is not base64"));
    BASE64.decode(found.encrypted_key.as_bytes()).map_err(not_base64)
}
