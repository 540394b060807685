//! Removing what is no longer needed: uploads that expired, and everything of a user who is deleted.

use uuid::Uuid;

use super::objects::remove_object_as_of;
use super::uploads::{discard, row_of};
use crate::error::Fault;
use crate::model::blobs::{Location, Upload};
use crate::store::Store;
use crate::store::blob_totals::BlobTotals;
use crate::store::group::WriteTx;

/// Rows that one transaction removes.
const BATCH: usize = 500;

/// Removed so long ago that every grace period is over.
const LONG_AGO_US: i64 = 0;

const COUNT_EXPIRED: &str = "SELECT count(*) FROM uploads WHERE expires_at <= ?1";
const EXPIRED: &str = "
    SELECT uuid, hash, size_bytes, object, received_bytes, received_hash, log FROM uploads
    WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2";
const UPLOADS_OF_USER: &str = "
    SELECT uuid, hash, size_bytes, object, received_bytes, received_hash, log FROM uploads
    WHERE log IN (SELECT id FROM logs WHERE user = ?1) LIMIT ?2";
const BLOBS_OF_USER: &str = "
    SELECT object, log, hash, size_bytes, wrapped_key IS NOT NULL FROM blobs
    WHERE log IN (SELECT id FROM logs WHERE user = ?1) LIMIT ?2";
const DELETE_BLOB: &str = "DELETE FROM blobs WHERE log = ?1 AND hash = ?2";

impl Store {
    /// Discards some uploads that have expired, and returns how many; 0 if none is left.
    pub async fn expire_uploads(&self) -> Result<usize, Fault> {
        // A reader looks first: there is hardly ever anything to write.
        if self.count_expired_uploads().await? == 0 {
            return Ok(0);
        }
        self.write(1, |tx| {
            let expired = uploads(tx, EXPIRED, (tx.now_us, BATCH))?;
            expired.iter().try_for_each(|(upload, log)| discard(tx, *log, upload))?;
            Ok(expired.len())
        })
        .await
    }

    /// Counts the uploads that have expired.
    pub async fn count_expired_uploads(&self) -> Result<usize, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| {
            Ok(connection.prepare_cached(COUNT_EXPIRED)?.query_row([now_us], |row| row.get(0))?)
        })
        .await
    }
}

fn uploads(tx: &WriteTx<'_>, sql: &str, params: impl rusqlite::Params) -> Result<Vec<(Upload, i64)>, Fault> {
    let mut statement = tx.prepare_cached(sql)?;
    let uploads = statement.query_map(params, |row| Ok((row_of(row)?, row.get(6)?)))?;
    Ok(uploads.collect::<rusqlite::Result<_>>()?)
}

/// Object, log, hash, size in bytes, and 1 if it has a sealed key.
type BlobOfUser = ([u8; 16], i64, [u8; 32], i64, i64);

/// Removes some of a user's uploads and blobs, and remembers their objects. Returns whether none is left.
pub(in crate::store) fn remove_some_of_user(tx: &WriteTx<'_>, user: i64) -> Result<bool, Fault> {
    let uploads = uploads(tx, UPLOADS_OF_USER, (user, BATCH))?;
    uploads.iter().try_for_each(|(upload, log)| discard(tx, *log, upload))?;
    let mut statement = tx.prepare_cached(BLOBS_OF_USER)?;
    let blobs: Vec<BlobOfUser> = statement
        .query_map((user, BATCH), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (object, log, hash, size_bytes, sealed_keys) in &blobs {
        // Without a grace period: whoever deletes everything means it.
        remove_object_as_of(tx, Uuid::from_bytes(*object), Location::Final, LONG_AGO_US)?;
        tx.prepare_cached(DELETE_BLOB)?.execute((log, hash))?;
        let removed =
            BlobTotals { confirmed_bytes: -size_bytes, sealed_keys: -sealed_keys, ..BlobTotals::default() };
        removed.add(tx, *log)?;
    }
    Ok(uploads.len() < BATCH && blobs.len() < BATCH)
}
