//! Wrapped keys of files: which master key opens them, and under which one they are wrapped.

use std::sync::Arc;

use data_encoding::BASE64;
use tidelog_protocol::{BlobConfirmRequest, BlobConfirmResponse};

use crate::formats::keys::Secret;
use crate::formats::{BlobError, BlobHash, Vault, unwrap_file_key, wrap_file_key};
use crate::transport::Request;
use crate::{BlockReason, Result, SyncKitClient, SyncKitError};

/// Key replacements that one confirmation follows: more would mean that other devices complete one rotation after
/// another.
const MAX_KEYS_FOLLOWED: usize = 3;

impl SyncKitClient {
    /// Returns the vault to seal blobs for, once the server's key was checked. It does not matter yet which master
    /// key is the current one: K_blobroot is the same under all of them.
    pub(super) async fn blob_vault(&self) -> Result<Arc<Vault>> {
        Ok(self.checked_key(self.owner()?).await?.vault)
    }

    /// Unwraps a file key that the server keeps under this version of the master key; also returns the vault that
    /// opened it.
    pub(super) async fn unwrapped_file_key(
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

    /// Returns a vault that holds the master key of this version, if there is one. A newer key than this device knows
    /// is fetched first.
    async fn vault_with(&self, version: u32) -> Result<Arc<Vault>> {
        let mut key = self.encryption.key_for(self.owner()?)?;
        if version > key.newest_version() {
            self.encryption.mark_unchecked();
            key = self.refreshed_key(key.owner, |now| version <= now.newest_version()).await?;
            if version > key.newest_version() && self.is_being_rotated_to(version).await? {
                return Err(SyncKitError::Blocked(BlockReason::PassphraseNeeded));
            }
        }
        Ok(match key.pending {
            Some(pending) if pending.key_version() == version => pending,
            _ => key.vault,
        })
    }

    /// Turns what was uploaded into a blob, with its key wrapped under the server's current master key.
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
                    self.encryption.mark_unchecked();
                    self.refreshed_key(owner, |now| now.vault.key_version() == key_version).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
