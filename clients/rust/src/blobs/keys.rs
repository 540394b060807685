//! Sealed keys of files: which master key opens them, and under which they are sealed.

use std::sync::Arc;

use data_encoding::BASE64;
use tidelog_protocol::{BlobConfirmRequest, BlobConfirmResponse};

use crate::formats::keys::Secret;
use crate::formats::{BlobError, BlobHash, Vault, unwrap_file_key, wrap_file_key};
use crate::transport::Request;
use crate::{BlockReason, Result, SyncKitClient, SyncKitError};

/// Keys that one confirmation follows: another device would have to complete rotation after rotation meanwhile.
const MAX_KEYS_FOLLOWED: usize = 3;

impl SyncKitClient {
    /// The vault that the user's blobs are sealed for, after a look at the server's key. Which master is the current one does not
    /// matter yet: K_blobroot is the same under all of them.
    pub(super) async fn blob_vault(&self) -> Result<Arc<Vault>> {
        Ok(self.checked_key(self.owner()?).await?.vault)
    }

    /// Opens a file's key that the server keeps under this version of the master key, and gives the vault that did.
    pub(super) async fn opened_file_key(
        &self,
        name: &BlobHash,
        key_version: Option<u32>,
        wrapped: Option<&str>,
    ) -> Result<(Arc<Vault>, Secret)> {
        let (Some(version), Some(wrapped)) = (key_version, wrapped) else {
            return Err(BlobError::NoKey.into());
        };
        let wrapped = BASE64.decode(wrapped.as_bytes()).map_err(|_| BlobError::KeyDoesNotOpen)?;
        let vault = self.vault_with(version).await?;
        let key = unwrap_file_key(&vault, version, name, &wrapped)?;
        Ok((vault, key))
    }

    /// A vault that holds the master of this version, if there is one: a newer one than this device knows is got first.
    async fn vault_with(&self, version: u32) -> Result<Arc<Vault>> {
        let mut key = self.encryption.key_of(self.owner()?)?;
        if version > key.newest_version() {
            self.encryption.doubt();
            key = self.followed_key(key.owner, |now| version <= now.newest_version()).await?;
            if version > key.newest_version() && self.is_being_rotated_to(version).await? {
                return Err(SyncKitError::Blocked(BlockReason::PassphraseNeeded));
            }
        }
        Ok(match key.pending {
            Some(pending) if pending.key_version() == version => pending,
            _ => key.vault,
        })
    }

    /// Makes what was uploaded a blob, with its key sealed under the server's current master key.
    pub(super) async fn confirm_with_key(&self, name: &BlobHash, size: u64, file_key: &Secret) -> Result<()> {
        let owner = self.owner()?;
        let mut followed = 0;
        loop {
            let vault = self.checked_key(owner).await?.vault;
            let body = BlobConfirmRequest {
                hash: name.to_string(),
                size_bytes: size,
                wrapped_key: Some(BASE64.encode(&wrap_file_key(&vault, name, file_key)?)),
                key_version: Some(vault.key_version()),
            };
            let request = Request::post("/blobs/confirm", &body)?;
            match self.fetch::<BlobConfirmResponse>(&request).await {
                Ok(_) => return Ok(()),
                Err(SyncKitError::KeyVersionConflict { key_version, .. }) if followed < MAX_KEYS_FOLLOWED => {
                    followed += 1;
                    self.encryption.doubt();
                    self.followed_key(owner, |now| now.vault.key_version() == key_version).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
