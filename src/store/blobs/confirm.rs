//! Confirming: an upload becomes a blob, once.

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::uploads::{candidates, discard_of_session, find_upload, has_uploads, strike};
use super::{Sums, find, signed};
use crate::error::Fault;
use crate::model::blobs::{Blob, BlobHash, HashRule, SealedKey, Upload};
use crate::model::rotations::OpenKeys;
use crate::model::sessions::Caller;
use crate::store::group::WriteTx;
use crate::store::{Store, apps, rotations};

const RULE: &str = "SELECT blob_hash FROM apps JOIN logs ON logs.app = apps.id WHERE logs.id = ?1";
const INSERT: &str = "
    INSERT INTO blobs (log, hash, object, size_bytes, wrapped_key, key_version, verified, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

/// What is known before any object is looked at.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// The blob is confirmed already.
    Exists(Blob),
    /// These may become it, the likeliest first.
    Uploads(HashRule, Vec<Upload>),
    /// The sealed key names another master key than those in use; the current one is this.
    KeyVersionConflict(u32),
}

/// An upload that is as it should be, and whose object is in its final place.
#[derive(Clone, Debug)]
pub struct Confirmation {
    /// The upload.
    pub upload: Upload,
    /// Its object.
    pub object: Uuid,
    /// Bytes that are stored.
    pub bytes: u64,
    /// Whether they are known to hash to the name.
    pub verified: bool,
    /// The blob's sealed key, and the master key's version if the client named it.
    pub wrapped_key: Option<(Vec<u8>, Option<u32>)>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// This is the blob, now or since an earlier request.
    Blob(Blob),
    /// The upload was given up, has expired or was replaced by another one meanwhile.
    Gone,
    /// As in [`Prepared`].
    KeyVersionConflict(u32),
}

impl Store {
    /// Looks up what the caller may confirm under a name. Where the blob is there already, this session's uploads of it are
    /// given up.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn prepare_confirmation(
        &self,
        caller: &Caller,
        hash: BlobHash,
        key_version: Option<u32>,
    ) -> Result<Prepared, Fault> {
        let (who, now_us) = (caller.clone(), self.shared.clock.now_us());
        let (prepared, is_second) = self
            .read(move |connection| {
                let prepared = prepare(connection, &who, hash, key_version, now_us)?;
                let exists = matches!(prepared, Prepared::Exists(_));
                Ok((prepared, exists && has_uploads(connection, &who, hash)?))
            })
            .await?;
        if is_second {
            let who = caller.clone();
            self.write_for(caller, 1, move |tx| discard_of_session(tx, &who, hash)).await?;
        }
        Ok(prepared)
    }

    /// Makes a blob of an upload.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn confirm_upload(&self, caller: &Caller, new: Confirmation) -> Result<Confirmed, Fault> {
        let who = caller.clone();
        self.write_for(caller, 1, move |tx| confirm(tx, &who, &new)).await
    }
}

fn prepare(
    connection: &Connection,
    caller: &Caller,
    hash: BlobHash,
    key_version: Option<u32>,
    now_us: i64,
) -> Result<Prepared, Fault> {
    if let Some(blob) = find(connection, caller.log, hash)? {
        return Ok(Prepared::Exists(blob));
    }
    let keys = open_keys(connection, caller.log)?;
    if key_version.is_some_and(|version| !keys.admit(version)) {
        return Ok(Prepared::KeyVersionConflict(keys.current));
    }
    let rule = connection.prepare_cached(RULE)?.query_row([caller.log], |row| row.get(0));
    let rule = apps::hash_rule(rule.optional()?.ok_or(Fault::SessionEnded)?);
    Ok(Prepared::Uploads(rule, candidates(connection, caller, hash, now_us)?))
}

fn open_keys(connection: &Connection, log: i64) -> Result<OpenKeys, Fault> {
    let keys = rotations::find_keys(connection, log)?;
    let pending = keys.running().map(|rotation| rotation.key_version);
    Ok(OpenKeys { current: keys.current.key_version, pending })
}

fn confirm(tx: &WriteTx<'_>, caller: &Caller, new: &Confirmation) -> Result<Confirmed, Fault> {
    let hash = new.upload.hash;
    if let Some(blob) = find(tx, caller.log, hash)? {
        discard_of_session(tx, caller, hash)?;
        return Ok(Confirmed::Blob(blob));
    }
    let upload = match find_upload(tx, caller.log, new.upload.id, tx.now_us)? {
        Some(upload) if upload.received == new.upload.received => upload,
        _ => return Ok(Confirmed::Gone),
    };
    let keys = open_keys(tx, caller.log)?;
    let key = new.wrapped_key.as_ref().map(|(wrapped_key, version)| SealedKey {
        wrapped_key: wrapped_key.clone(),
        key_version: version.unwrap_or(keys.current),
    });
    if key.as_ref().is_some_and(|key| !keys.admit(key.key_version)) {
        return Ok(Confirmed::KeyVersionConflict(keys.current));
    }
    strike(tx, caller.log, &upload)?;
    let blob = Blob {
        hash,
        object: new.object,
        size_bytes: new.bytes,
        key,
        verified: new.verified,
        created_at: tx.now_us,
    };
    insert(tx, caller.log, &blob)?;
    rotations::note_blob_added(tx, caller.log, &blob)?;
    Ok(Confirmed::Blob(blob))
}

fn insert(tx: &WriteTx<'_>, log: i64, blob: &Blob) -> Result<(), Fault> {
    let size = signed(blob.size_bytes)?;
    let (key, version) = (blob.key.as_ref().map(|key| &key.wrapped_key), blob.key.as_ref());
    let version = version.map(|key| key.key_version);
    let object = blob.object.as_bytes();
    let row = (log, blob.hash.0, object, size, key, version, blob.verified, blob.created_at);
    tx.prepare_cached(INSERT)?.execute(row)?;
    let sealed_keys = i64::from(key.is_some());
    Sums { confirmed_bytes: size, sealed_keys, ..Sums::default() }.add(tx, log)
}
