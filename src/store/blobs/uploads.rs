//! Uploads: granted, received, discarded.

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::confirmed::find;
use super::objects::remove_object;
use crate::error::Fault;
use crate::model::blobs::{BlobHash, Content, Location, Upload};
use crate::model::sessions::Caller;
use crate::store::Store;
use crate::store::blob_totals::{BlobTotals, signed};
use crate::store::group::WriteTx;

/// The upload of the same blob that this session was granted before and that nothing was received for.
const SAME: &str = "
    SELECT uuid FROM uploads WHERE log = ?1 AND hash = ?2 AND session = ?3 AND size_bytes = ?4 AND object IS NULL
        AND expires_at > ?5";
const EXTEND: &str = "UPDATE uploads SET expires_at = max(expires_at, ?2) WHERE uuid = ?1";
const INSERT: &str = "
    INSERT INTO uploads (uuid, log, session, hash, size_bytes, granted_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const FIND: &str = "
    SELECT uuid, hash, size_bytes, object, received_bytes, received_hash FROM uploads
    WHERE uuid = ?1 AND log = ?2 AND expires_at > ?3";
/// All that may be confirmed: first those of this session, then the newest.
const CANDIDATES: &str = "
    SELECT uuid, hash, size_bytes, object, received_bytes, received_hash FROM uploads
    WHERE log = ?1 AND hash = ?2 AND expires_at > ?3 ORDER BY session = ?4 DESC, granted_at DESC";
const RECEIVED: &str = "
    UPDATE uploads SET object = ?2, received_bytes = ?3, received_hash = ?4 WHERE uuid = ?1";
const OF_SESSION: &str = "
    SELECT uuid, hash, size_bytes, object, received_bytes, received_hash FROM uploads
    WHERE log = ?1 AND hash = ?2 AND session = ?3";
const DELETE: &str = "DELETE FROM uploads WHERE uuid = ?1";

/// An upload that a caller asks for.
#[derive(Clone, Copy, Debug)]
pub struct NewUpload {
    /// Id of the upload, if it is a new one.
    pub id: Uuid,
    /// The blob's name.
    pub hash: BlobHash,
    /// Size in bytes, within the limit.
    pub size_bytes: u64,
    /// How long it may wait to be confirmed, in microseconds.
    pub lifetime_us: i64,
    /// Bytes that the user may store in this app. `None` if there is no quota.
    pub quota_bytes: Option<u64>,
}

/// What became of a request for an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantOutcome {
    /// The upload with this id is granted, now or since an earlier request of this session.
    Granted(Uuid),
    /// The blob already exists.
    Exists,
    /// The user's blobs and uploads would exceed the quota.
    QuotaExceeded,
}

pub(super) fn row_of(row: &Row<'_>) -> rusqlite::Result<Upload> {
    let received = match (row.get(3)?, row.get(4)?) {
        (Some(object), Some(bytes)) => Some((Uuid::from_bytes(object), Content { bytes, hash: row.get(5)? })),
        _ => None,
    };
    Ok(Upload {
        id: Uuid::from_bytes(row.get(0)?),
        hash: BlobHash(row.get(1)?),
        size_bytes: row.get(2)?,
        received,
    })
}

/// Finds an upload of a log that has not expired.
pub(super) fn find_upload(
    connection: &Connection,
    log: i64,
    id: Uuid,
    now_us: i64,
) -> Result<Option<Upload>, Fault> {
    let key = (id.as_bytes(), log, now_us);
    Ok(connection.prepare_cached(FIND)?.query_row(key, row_of).optional()?)
}

/// Finds the uploads that may be confirmed under a name, the likeliest first.
pub(super) fn candidates(
    connection: &Connection,
    caller: &Caller,
    hash: BlobHash,
    now_us: i64,
) -> Result<Vec<Upload>, Fault> {
    let mut statement = connection.prepare_cached(CANDIDATES)?;
    let key = (caller.log, hash.0, now_us, caller.session.as_bytes());
    let uploads = statement.query_map(key, row_of)?;
    Ok(uploads.collect::<rusqlite::Result<_>>()?)
}

/// Deletes the row of an upload. Its object, if it has one, is left to the caller.
pub(super) fn delete(tx: &WriteTx<'_>, log: i64, upload: &Upload) -> Result<(), Fault> {
    tx.prepare_cached(DELETE)?.execute([upload.id.as_bytes()])?;
    BlobTotals { granted_bytes: -signed(upload.size_bytes)?, ..BlobTotals::default() }.add(tx, log)
}

/// Discards an upload and its object.
pub(super) fn discard(tx: &WriteTx<'_>, log: i64, upload: &Upload) -> Result<(), Fault> {
    delete(tx, log, upload)?;
    remove_object(tx, upload.received.map_or(upload.id, |(object, _)| object), Location::Pending)
}

/// Whether a session has uploads under a name.
pub(super) fn has_uploads(connection: &Connection, caller: &Caller, hash: BlobHash) -> Result<bool, Fault> {
    let key = (caller.log, hash.0, caller.session.as_bytes());
    Ok(connection.prepare_cached(OF_SESSION)?.exists(key)?)
}

/// Discards all uploads of a session under a name.
pub(super) fn discard_of_session(tx: &WriteTx<'_>, caller: &Caller, hash: BlobHash) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached(OF_SESSION)?;
    let key = (caller.log, hash.0, caller.session.as_bytes());
    let uploads: Vec<Upload> = statement.query_map(key, row_of)?.collect::<rusqlite::Result<_>>()?;
    uploads.iter().try_for_each(|upload| discard(tx, caller.log, upload))
}

impl Store {
    /// Grants an upload to the caller, if it is within the quota and the blob does not exist. It counts towards the
    /// quota from now on.
    pub async fn grant_upload(&self, caller: &Caller, new: NewUpload) -> Result<GrantOutcome, Fault> {
        let who = caller.clone();
        self.write_for(caller, 1, move |tx| grant(tx, &who, &new)).await
    }

    /// Finds an upload of a log that has not expired.
    pub async fn find_upload(&self, log: i64, id: Uuid) -> Result<Option<Upload>, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| find_upload(connection, log, id, now_us)).await
    }

    /// Notes that the bytes of an upload are in this pending object, which replaces any earlier one. `false` if the
    /// upload was confirmed, was discarded or has expired meanwhile; the object is then not needed.
    pub async fn note_received(
        &self,
        caller: &Caller,
        id: Uuid,
        object: Uuid,
        content: Content,
    ) -> Result<bool, Fault> {
        let log = caller.log;
        self.write_for(caller, 1, move |tx| {
            let Some(upload) = find_upload(tx, log, id, tx.now_us)? else { return Ok(false) };
            if let Some((replaced, _)) = upload.received {
                remove_object(tx, replaced, Location::Pending)?;
            }
            let row = (id.as_bytes(), object.as_bytes(), signed(content.bytes)?, content.hash);
            tx.prepare_cached(RECEIVED)?.execute(row)?;
            Ok(true)
        })
        .await
    }

    /// Discards an upload of the caller that is not what was announced, unless something else was received since.
    pub async fn discard_upload(&self, caller: &Caller, seen: Upload) -> Result<(), Fault> {
        let log = caller.log;
        self.write_for(caller, 1, move |tx| match find_upload(tx, log, seen.id, tx.now_us)? {
            Some(upload) if upload.received == seen.received => discard(tx, log, &upload),
            _ => Ok(()),
        })
        .await
    }
}

fn grant(tx: &WriteTx<'_>, caller: &Caller, new: &NewUpload) -> Result<GrantOutcome, Fault> {
    if find(tx, caller.log, new.hash)?.is_some() {
        return Ok(GrantOutcome::Exists);
    }
    let (session, size) = (caller.session.as_bytes(), signed(new.size_bytes)?);
    let expires_at = tx.now_us.saturating_add(new.lifetime_us);
    let same = (caller.log, new.hash.0, session, size, tx.now_us);
    let same: Option<[u8; 16]> = tx.prepare_cached(SAME)?.query_row(same, |row| row.get(0)).optional()?;
    if let Some(id) = same {
        // A retry, because an answer or an upload was lost, must not count twice.
        tx.prepare_cached(EXTEND)?.execute((id, expires_at))?;
        return Ok(GrantOutcome::Granted(Uuid::from_bytes(id)));
    }
    let totals = BlobTotals::find(tx, caller.log)?;
    let taken = totals.confirmed_bytes.saturating_add(totals.granted_bytes).saturating_add(size);
    if new.quota_bytes.is_some_and(|quota| u64::try_from(taken).is_ok_and(|taken| taken > quota)) {
        return Ok(GrantOutcome::QuotaExceeded);
    }
    let row = (new.id.as_bytes(), caller.log, session, new.hash.0, size, tx.now_us, expires_at);
    tx.prepare_cached(INSERT)?.execute(row)?;
    BlobTotals { granted_bytes: size, ..BlobTotals::default() }.add(tx, caller.log)?;
    Ok(GrantOutcome::Granted(new.id))
}
