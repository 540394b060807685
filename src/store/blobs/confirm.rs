//! Confirming an upload: it becomes a blob.

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::confirmed::find;
use super::uploads::{candidates, delete, discard_of_session, find_upload, has_uploads};
use crate::error::Fault;
use crate::model::blobs::{Blob, BlobHash, HashRule, SealedKey, Upload};
use crate::model::rotations::OpenKeys;
use crate::model::sessions::Caller;
use crate::store::blob_totals::{BlobTotals, signed};
use crate::store::group::WriteTx;
use crate::store::{Store, apps, keys, rotations};

const RULE: &str = "SELECT blob_hash FROM apps JOIN logs ON logs.app = apps.id WHERE logs.id = ?1";
const INSERT: &str = "
    INSERT INTO blobs (log, hash, object, size_bytes, wrapped_key, key_version, verified, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

/// What a caller may confirm under a name, before any object is looked at.
#[derive(Clone, Debug)]
pub enum Confirmable {
    /// The blob is already confirmed.
    Blob(Blob),
    /// These uploads may become it, the likeliest first.
    Uploads(HashRule, Vec<Upload>),
    /// The sealed key is of a master key that is not in use; the current one has this version.
    KeyVersionConflict(u32),
}

/// An upload that is what was announced, and whose object is in its final location.
#[derive(Clone, Debug)]
pub struct CheckedUpload {
    /// The upload.
    pub upload: Upload,
    /// Its object.
    pub object: Uuid,
    /// Bytes that are stored.
    pub bytes: u64,
    /// Whether they are known to hash to the name.
    pub verified: bool,
    /// The blob's sealed key, and the version of the master key if the client named it.
    pub wrapped_key: Option<(Vec<u8>, Option<u32>)>,
}

/// What became of an upload that was to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfirmUploadOutcome {
    /// It is this blob, now or since an earlier request.
    Blob(Blob),
    /// The upload was discarded, has expired or was replaced by another one meanwhile.
    Gone,
    /// As in [`Confirmable`].
    KeyVersionConflict(u32),
}

impl Store {
    /// Finds what the caller may confirm under a name. If the blob already exists, this session's uploads of it are
    /// discarded.
    pub async fn find_confirmable(
        &self,
        caller: &Caller,
        hash: BlobHash,
        key_version: Option<u32>,
    ) -> Result<Confirmable, Fault> {
        let (who, now_us) = (caller.clone(), self.shared.clock.now_us());
        let (confirmable, has_more_uploads) = self
            .read(move |connection| {
                let confirmable = confirmable(connection, &who, hash, key_version, now_us)?;
                let exists = matches!(confirmable, Confirmable::Blob(_));
                Ok((confirmable, exists && has_uploads(connection, &who, hash)?))
            })
            .await?;
        if has_more_uploads {
            let who = caller.clone();
            self.write_for(caller, 1, move |tx| discard_of_session(tx, &who, hash)).await?;
        }
        Ok(confirmable)
    }

    /// Turns an upload into a blob.
    pub async fn confirm_upload(
        &self,
        caller: &Caller,
        checked: CheckedUpload,
    ) -> Result<ConfirmUploadOutcome, Fault> {
        let who = caller.clone();
        self.write_for(caller, 1, move |tx| confirm(tx, &who, &checked)).await
    }
}

fn confirmable(
    connection: &Connection,
    caller: &Caller,
    hash: BlobHash,
    key_version: Option<u32>,
    now_us: i64,
) -> Result<Confirmable, Fault> {
    if let Some(blob) = find(connection, caller.log, hash)? {
        return Ok(Confirmable::Blob(blob));
    }
    let keys = open_keys(connection, caller.log)?;
    if key_version.is_some_and(|version| !keys.admit(version)) {
        return Ok(Confirmable::KeyVersionConflict(keys.current));
    }
    let rule = connection.prepare_cached(RULE)?.query_row([caller.log], |row| row.get(0));
    let rule = apps::hash_rule(rule.optional()?.ok_or(Fault::SessionEnded)?);
    Ok(Confirmable::Uploads(rule, candidates(connection, caller, hash, now_us)?))
}

fn open_keys(connection: &Connection, log: i64) -> Result<OpenKeys, Fault> {
    let keys = keys::find_keys(connection, log)?;
    let pending = keys.running().map(|rotation| rotation.key_version);
    Ok(OpenKeys { current: keys.current.key_version, pending })
}

fn confirm(
    tx: &WriteTx<'_>,
    caller: &Caller,
    checked: &CheckedUpload,
) -> Result<ConfirmUploadOutcome, Fault> {
    let hash = checked.upload.hash;
    if let Some(blob) = find(tx, caller.log, hash)? {
        discard_of_session(tx, caller, hash)?;
        return Ok(ConfirmUploadOutcome::Blob(blob));
    }
    let upload = match find_upload(tx, caller.log, checked.upload.id, tx.now_us)? {
        Some(upload) if upload.received == checked.upload.received => upload,
        _ => return Ok(ConfirmUploadOutcome::Gone),
    };
    let keys = open_keys(tx, caller.log)?;
    let key = checked.wrapped_key.as_ref().map(|(wrapped_key, version)| SealedKey {
        wrapped_key: wrapped_key.clone(),
        key_version: version.unwrap_or(keys.current),
    });
    if key.as_ref().is_some_and(|key| !keys.admit(key.key_version)) {
        return Ok(ConfirmUploadOutcome::KeyVersionConflict(keys.current));
    }
    delete(tx, caller.log, &upload)?;
    let blob = Blob {
        hash,
        object: checked.object,
        size_bytes: checked.bytes,
        key,
        verified: checked.verified,
        created_at: tx.now_us,
    };
    insert(tx, caller.log, &blob)?;
    rotations::note_blob_added(tx, caller.log, &blob)?;
    Ok(ConfirmUploadOutcome::Blob(blob))
}

fn insert(tx: &WriteTx<'_>, log: i64, blob: &Blob) -> Result<(), Fault> {
    let size = signed(blob.size_bytes)?;
    let (key, version) = (blob.key.as_ref().map(|key| &key.wrapped_key), blob.key.as_ref());
    let version = version.map(|key| key.key_version);
    let object = blob.object.as_bytes();
    let row = (log, blob.hash.0, object, size, key, version, blob.verified, blob.created_at);
    tx.prepare_cached(INSERT)?.execute(row)?;
    let sealed_keys = i64::from(key.is_some());
    BlobTotals { confirmed_bytes: size, sealed_keys, ..BlobTotals::default() }.add(tx, log)
}
