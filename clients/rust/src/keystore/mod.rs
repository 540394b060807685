//! Where a device keeps its keys between runs, so that the passphrase is typed once.
//!
//! Three places, from the best down: the operating system's keychain, a file sealed under a passphrase, memory. A program
//! may bring a fourth by implementing [`KeyStore`].

mod file;
#[cfg(feature = "keychain")]
mod keychain;
mod memory;
mod or_memory;

use zeroize::Zeroizing;

pub use file::SealedFileStore;
#[cfg(feature = "keychain")]
pub use keychain::KeychainStore;
pub use memory::MemoryStore;
pub use or_memory::OrMemory;

/// Secret bytes by account. The SDK names an account after server, app and user; an implementation takes it as it is.
///
/// Methods may block: the SDK calls them on threads that may wait.
pub trait KeyStore: Send + Sync {
    /// The secret of this account, `None` if there is none.
    ///
    /// # Errors
    /// The store cannot be read.
    fn get(&self, account: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError>;

    /// Keeps the secret of this account in place of an earlier one.
    ///
    /// # Errors
    /// The store cannot be written; an earlier secret is then still there.
    fn set(&self, account: &str, secret: &[u8]) -> Result<(), KeyStoreError>;

    /// Removes the secret of this account, if there is one.
    ///
    /// # Errors
    /// The store cannot be written.
    fn delete(&self, account: &str) -> Result<(), KeyStoreError>;
}

/// Why a key store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// There is no such store on this machine, or it is locked.
    #[error("the key store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The passphrase does not open the file, or the file was altered: the two cannot be told apart.
    #[error("wrong passphrase for the key file, or the file was altered")]
    DoesNotOpen,
    /// What the store holds is not what was put there.
    #[error("the key store is damaged: {0}")]
    Damaged(&'static str),
    /// An empty passphrase protects nothing.
    #[error("the passphrase of the key file is empty")]
    EmptyPassphrase,
    /// An account or secret is longer than the store can hold.
    #[error("too long for the key store")]
    TooLong,
    /// Not enough memory to derive the key from the passphrase.
    #[error("not enough memory for the passphrase")]
    OutOfMemory,
    /// The file cannot be read or written.
    #[error("the key file cannot be used")]
    Io(#[from] std::io::Error),
}

/// What a client uses unless told otherwise: the keychain, or memory where there is none.
pub(crate) fn default_store() -> std::sync::Arc<dyn KeyStore> {
    #[cfg(feature = "keychain")]
    return std::sync::Arc::new(OrMemory::new(KeychainStore::new()));
    #[cfg(not(feature = "keychain"))]
    std::sync::Arc::new(MemoryStore::new())
}
