//! A store for the key and the session: one file that only its owner can read, like an `ssh` key without a passphrase.
//!
//! It works on any machine and never asks for anything. Whoever can read it can also read the app's database next to
//! it. A desktop app should leave the choice to the SDK, which uses the system's keychain; a [`SealedFileStore`]
//! encrypts the secrets under a passphrase that it asks for at each start.
//!
//! [`SealedFileStore`]: tidelog_client::SealedFileStore

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use data_encoding::BASE64;
use tempfile::NamedTempFile;
use tidelog_client::{KeyStore, KeyStoreError};
use zeroize::Zeroizing;

type Result<T, E = KeyStoreError> = std::result::Result<T, E>;
/// Secrets in base64, by account.
type Secrets = BTreeMap<String, String>;

/// The file.
pub(crate) struct KeyFile {
    path: PathBuf,
    write_lock: Mutex<()>,
}

impl KeyFile {
    /// The key file of this database. The first secret creates it.
    pub(crate) fn next_to(database: &Path) -> Self {
        Self { path: crate::sibling_path(database, "key"), write_lock: Mutex::default() }
    }

    fn load(&self) -> Result<Secrets> {
        match fs::read(&self.path).map(Zeroizing::new) {
            Ok(json) => serde_json::from_slice(&json).map_err(|_| KeyStoreError::Damaged("not JSON")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Secrets::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the file atomically.
    fn update(&self, change: impl FnOnce(&mut Secrets)) -> Result<()> {
        let _one_at_a_time = self.write_lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut secrets = self.load()?;
        change(&mut secrets);
        let json = serde_json::to_vec(&secrets).map(Zeroizing::new).map_err(std::io::Error::from)?;
        let folder = self.path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        // Temporary files are readable by their owner only, from the start.
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(&json)?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }
}

impl KeyStore for KeyFile {
    fn get(&self, account: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let Some(secret) = self.load()?.remove(account) else { return Ok(None) };
        let bytes = BASE64.decode(secret.as_bytes()).map_err(|_| KeyStoreError::Damaged("not base64"))?;
        Ok(Some(Zeroizing::new(bytes)))
    }

    fn set(&self, account: &str, secret: &[u8]) -> Result<()> {
        let secret = BASE64.encode(secret);
        self.update(|secrets| drop(secrets.insert(account.to_owned(), secret)))
    }

    fn delete(&self, account: &str) -> Result<()> {
        self.update(|secrets| drop(secrets.remove(account)))
    }
}
