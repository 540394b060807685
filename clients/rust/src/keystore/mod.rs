//! Where a device stores its keys between runs, so that the passphrase is typed once.
//!
//! There are three stores, the best one first: the operating system's keychain, a file sealed under a passphrase, and
//! memory. A program can bring its own by implementing [`KeyStore`].

mod fallback;
mod file;
#[cfg(feature = "keychain")]
mod keychain;
mod memory;

use zeroize::Zeroizing;

pub use fallback::FallbackStore;
pub use file::SealedFileStore;
#[cfg(feature = "keychain")]
pub use keychain::KeychainStore;
pub use memory::MemoryStore;

/// Stores secret bytes by account. The SDK names an account after server, app and user; implementations use it as it
/// is.
///
/// Methods may block: the SDK calls them on threads that may.
pub trait KeyStore: Send + Sync {
    /// Returns the secret of this account; `None` if there is none.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn get(&self, account: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError>;

    /// Stores the secret of this account, replacing an earlier one.
    ///
    /// # Errors
    /// If the store cannot be written; an earlier secret must then still be there.
    fn set(&self, account: &str, secret: &[u8]) -> Result<(), KeyStoreError>;

    /// Removes the secret of this account, if there is one.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn delete(&self, account: &str) -> Result<(), KeyStoreError>;
}

/// Why a key store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// The store does not exist on this machine, or is locked.
    #[error("the key store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The passphrase does not open the file, or the file was altered; the two cannot be told apart.
    #[error("wrong passphrase for the key file, or the file was altered")]
    DoesNotOpen,
    /// The store does not hold what was stored there.
    #[error("the key store is damaged: {0}")]
    Damaged(&'static str),
    /// An empty passphrase protects nothing.
    #[error("the passphrase of the key file is empty")]
    EmptyPassphrase,
    /// An account or secret is longer than the store can hold.
    #[error("too long for the key store")]
    TooLong,
    /// There is not enough memory to derive the key from the passphrase.
    #[error("not enough memory to derive the key from the passphrase")]
    OutOfMemory,
    /// The file cannot be read or written.
    #[error("the key file cannot be used")]
    Io(#[from] std::io::Error),
}

/// Returns the default store: the keychain, or memory where there is none.
pub(crate) fn default_store() -> std::sync::Arc<dyn KeyStore> {
    #[cfg(feature = "keychain")]
    return std::sync::Arc::new(FallbackStore::new(KeychainStore::new()));
    #[cfg(not(feature = "keychain"))]
    std::sync::Arc::new(MemoryStore::new())
}
