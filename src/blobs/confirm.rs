//! Confirming a blob: its upload is checked, moved to its final location, and then gets its row. In this order, so
//! that there is never a row without its object; what a crash leaves half done, the same request finds and completes.

use uuid::Uuid;

use super::store::BlobStore;
use crate::error::Fault;
use crate::model::blobs::{Blob, BlobHash, Content, HashRule, Upload, verify};
use crate::model::sessions::Caller;
use crate::store::{CheckedUpload, ConfirmUploadOutcome, Confirmable, Store};

/// Uploads of one name that are checked. There is normally one, and each may cost a read of the whole object.
const MAX_UPLOADS: usize = 8;
/// Attempts, if an upload is replaced by another one while it is being checked.
const MAX_ATTEMPTS: usize = 4;

/// A blob that a caller asks to confirm.
#[derive(Clone, Debug)]
pub struct ConfirmRequest {
    /// The blob's name.
    pub hash: BlobHash,
    /// Its announced size.
    pub size_bytes: u64,
    /// Its sealed key, and the version of the master key if the client names it.
    pub wrapped_key: Option<(Vec<u8>, Option<u32>)>,
}

/// What became of a request to confirm a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfirmOutcome {
    /// It is confirmed, now or since an earlier request.
    Blob(Blob),
    /// Nothing was uploaded.
    NotUploaded,
    /// The upload is not what was announced, and was discarded.
    Mismatch,
    /// The sealed key is of a master key that is not in use; the current one has this version.
    KeyVersionConflict(u32),
}

/// Confirms a blob of the caller.
///
/// # Errors
/// `Fault::Unavailable` if uploads of the blob keep replacing each other.
pub async fn confirm(
    store: &Store,
    blobs: &BlobStore,
    caller: &Caller,
    request: &ConfirmRequest,
) -> Result<ConfirmOutcome, Fault> {
    let key_version = request.wrapped_key.as_ref().and_then(|(_, version)| *version);
    for _ in 0..MAX_ATTEMPTS {
        let (rule, uploads) = match store.find_confirmable(caller, request.hash, key_version).await? {
            Confirmable::Blob(blob) => return Ok(ConfirmOutcome::Blob(blob)),
            Confirmable::KeyVersionConflict(current) => {
                return Ok(ConfirmOutcome::KeyVersionConflict(current));
            }
            Confirmable::Uploads(rule, uploads) => (rule, uploads),
        };
        let attempt = Attempt { store, blobs, caller, request, rule };
        if let Some(outcome) = attempt.confirm_first_match(uploads).await? {
            return Ok(outcome);
        }
    }
    Err(Fault::Unavailable("uploads of a blob keep replacing each other"))
}

struct Attempt<'a> {
    store: &'a Store,
    blobs: &'a BlobStore,
    caller: &'a Caller,
    request: &'a ConfirmRequest,
    rule: HashRule,
}

impl Attempt<'_> {
    /// `None` if an upload was replaced or discarded meanwhile.
    async fn confirm_first_match(&self, uploads: Vec<Upload>) -> Result<Option<ConfirmOutcome>, Fault> {
        let mut without_match = ConfirmOutcome::NotUploaded;
        for upload in uploads.into_iter().take(MAX_UPLOADS) {
            let Some((object, content)) = self.content_of(&upload).await? else { continue };
            let Some(verified) = verify(self.rule, &upload, self.request.size_bytes, &content) else {
                self.store.discard_upload(self.caller, upload).await?;
                without_match = ConfirmOutcome::Mismatch;
                continue;
            };
            if !self.blobs.publish(object).await? {
                continue;
            }
            let checked = CheckedUpload {
                upload,
                object,
                bytes: content.bytes,
                verified,
                wrapped_key: self.request.wrapped_key.clone(),
            };
            return Ok(match self.store.confirm_upload(self.caller, checked).await? {
                ConfirmUploadOutcome::Blob(blob) => Some(ConfirmOutcome::Blob(blob)),
                ConfirmUploadOutcome::KeyVersionConflict(current) => {
                    Some(ConfirmOutcome::KeyVersionConflict(current))
                }
                ConfirmUploadOutcome::Gone => None,
            });
        }
        Ok(Some(without_match))
    }

    /// Returns the object of an upload and what is in it: as it was measured on its way through this server, or as it
    /// is in its final location, where only this server can write. `None` if nothing was uploaded.
    async fn content_of(&self, upload: &Upload) -> Result<Option<(Uuid, Content)>, Fault> {
        if let Some(received) = upload.received {
            return Ok(Some(received));
        }
        if !self.blobs.publish(upload.id).await? {
            return Ok(None);
        }
        let content = self.blobs.content(upload.id, self.rule == HashRule::Verified).await?;
        Ok(content.map(|content| (upload.id, content)))
    }
}
