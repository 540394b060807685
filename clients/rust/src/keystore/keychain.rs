//! Keys in the operating system's keychain: macOS Keychain, Windows Credential Manager, Secret Service.

use keyring::{Entry, Error};
use zeroize::Zeroizing;

use super::{KeyStore, KeyStoreError};

/// Service name of the keychain's entries.
const SERVICE: &str = "tidelog";

/// Stores secrets in the keychain of the user who runs the program.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeychainStore(());

impl KeychainStore {
    /// Returns the keychain, whether or not there is one: without one, calls fail with [`KeyStoreError::Unavailable`].
    pub fn new() -> Self {
        Self(())
    }
}

impl KeyStore for KeychainStore {
    fn get(&self, account: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        match Entry::new(SERVICE, account).and_then(|entry| entry.get_secret()) {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(typed(error)),
        }
    }

    fn set(&self, account: &str, secret: &[u8]) -> Result<(), KeyStoreError> {
        Entry::new(SERVICE, account).and_then(|entry| entry.set_secret(secret)).map_err(typed)
    }

    fn delete(&self, account: &str) -> Result<(), KeyStoreError> {
        match Entry::new(SERVICE, account).and_then(|entry| entry.delete_credential()) {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(typed(error)),
        }
    }
}

/// Maps errors, and drops those that quote what was found in the keychain.
fn typed(error: Error) -> KeyStoreError {
    match error {
        Error::BadEncoding(_) | Error::BadDataFormat(..) | Error::BadStoreFormat(_) => {
            KeyStoreError::Damaged("the keychain entry cannot be read")
        }
        Error::Ambiguous(_) => KeyStoreError::Damaged("the keychain has several entries of this name"),
        Error::TooLong(..) => KeyStoreError::TooLong,
        other => KeyStoreError::Unavailable(other.into()),
    }
}
