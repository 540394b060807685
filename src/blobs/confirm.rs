//! Confirming: what was uploaded is looked at, gets its final place, and then its row. In this order, so that there never is a
//! row without its object; and what a crash leaves half-way, the same request again finds and finishes.

use uuid::Uuid;

use super::Blobs;
use crate::error::Fault;
use crate::model::blobs::{Blob, BlobHash, Content, HashRule, Upload, judge};
use crate::model::sessions::Caller;
use crate::store::{self, Confirmed, Prepared, Store};

/// Uploads of one name that are looked at, at most: one is the rule, and each may cost a read of the whole object.
const MOST_UPLOADS: usize = 8;
/// Times that it begins anew, because what it was looking at was replaced meanwhile.
const ATTEMPTS: usize = 4;

/// What a caller wants to be confirmed.
#[derive(Clone, Debug)]
pub struct Confirmation {
    /// The blob's name.
    pub hash: BlobHash,
    /// Its size, as announced.
    pub size_bytes: u64,
    /// Its sealed key, and the master key's version if the client names it.
    pub wrapped_key: Option<(Vec<u8>, Option<u32>)>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This is the blob, now or since an earlier request.
    Blob(Blob),
    /// Nothing was uploaded.
    NotUploaded,
    /// What was uploaded is something else; it is given up.
    Mismatch,
    /// The sealed key is of another master key than those in use; the current one is this.
    KeyVersionConflict(u32),
}

/// Confirms a blob of the caller.
///
/// # Errors
/// A fault of the database or the store.
pub async fn confirm(
    store: &Store,
    blobs: &Blobs,
    caller: &Caller,
    wanted: &Confirmation,
) -> Result<Outcome, Fault> {
    let key_version = wanted.wrapped_key.as_ref().and_then(|(_, version)| *version);
    for _ in 0..ATTEMPTS {
        let (rule, uploads) = match store.prepare_confirmation(caller, wanted.hash, key_version).await? {
            Prepared::Exists(blob) => return Ok(Outcome::Blob(blob)),
            Prepared::KeyVersionConflict(current) => return Ok(Outcome::KeyVersionConflict(current)),
            Prepared::Uploads(rule, uploads) => (rule, uploads),
        };
        let attempt = Attempt { store, blobs, caller, wanted, rule };
        if let Some(outcome) = attempt.first_that_fits(uploads).await? {
            return Ok(outcome);
        }
    }
    Err(Fault::Unavailable("uploads of a blob keep replacing each other"))
}

struct Attempt<'a> {
    store: &'a Store,
    blobs: &'a Blobs,
    caller: &'a Caller,
    wanted: &'a Confirmation,
    rule: HashRule,
}

impl Attempt<'_> {
    /// `None`: an upload was replaced or given up meanwhile.
    async fn first_that_fits(&self, uploads: Vec<Upload>) -> Result<Option<Outcome>, Fault> {
        let mut otherwise = Outcome::NotUploaded;
        for upload in uploads.into_iter().take(MOST_UPLOADS) {
            let Some((object, content)) = self.look(&upload).await? else { continue };
            let Some(verified) = judge(self.rule, &upload, self.wanted.size_bytes, &content) else {
                self.store.discard_upload(self.caller, upload).await?;
                otherwise = Outcome::Mismatch;
                continue;
            };
            if !self.blobs.publish(object).await? {
                continue;
            }
            let new = store::Confirmation {
                upload,
                object,
                bytes: content.bytes,
                verified,
                wrapped_key: self.wanted.wrapped_key.clone(),
            };
            return Ok(match self.store.confirm_upload(self.caller, new).await? {
                Confirmed::Blob(blob) => Some(Outcome::Blob(blob)),
                Confirmed::KeyVersionConflict(current) => Some(Outcome::KeyVersionConflict(current)),
                Confirmed::Gone => None,
            });
        }
        Ok(Some(otherwise))
    }

    /// What came of an upload: as it was counted on its way through this server, or as it lies in its final place, where nobody
    /// but this server can write any more. `None`: nothing has come.
    async fn look(&self, upload: &Upload) -> Result<Option<(Uuid, Content)>, Fault> {
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
