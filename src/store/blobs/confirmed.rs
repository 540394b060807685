//! Confirmed blobs: found, listed, removed.

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::objects::remove_object;
use crate::error::Fault;
use crate::model::blobs::{Blob, BlobHash, Location, SealedKey};
use crate::model::sessions::Caller;
use crate::store::blob_totals::{BlobTotals, signed};
use crate::store::{Store, rotations};

const FIND: &str = "
    SELECT hash, object, size_bytes, wrapped_key, key_version, verified, created_at FROM blobs WHERE log = ?1 AND hash = ?2";
const LIST: &str = "
    SELECT hash, object, size_bytes, wrapped_key, key_version, verified, created_at FROM blobs
    WHERE log = ?1 AND (?2 IS NULL OR hash > ?2) ORDER BY hash LIMIT ?3";
const DELETE: &str = "DELETE FROM blobs WHERE log = ?1 AND hash = ?2";

fn row_of(row: &Row<'_>) -> rusqlite::Result<Blob> {
    let key = match (row.get(3)?, row.get(4)?) {
        (Some(wrapped_key), Some(key_version)) => Some(SealedKey { wrapped_key, key_version }),
        _ => None,
    };
    Ok(Blob {
        hash: BlobHash(row.get(0)?),
        object: Uuid::from_bytes(row.get(1)?),
        size_bytes: row.get(2)?,
        key,
        verified: row.get(5)?,
        created_at: row.get(6)?,
    })
}

/// Finds the blob of this name in a log.
pub(super) fn find(connection: &Connection, log: i64, hash: BlobHash) -> Result<Option<Blob>, Fault> {
    Ok(connection.prepare_cached(FIND)?.query_row((log, hash.0), row_of).optional()?)
}

impl Store {
    /// Finds the confirmed blob of this name in a log.
    pub async fn find_blob(&self, log: i64, hash: BlobHash) -> Result<Option<Blob>, Fault> {
        self.read(move |connection| find(connection, log, hash)).await
    }

    /// Lists up to `limit` confirmed blobs of a log whose names follow `after`, ordered by name.
    pub async fn list_blobs(
        &self,
        log: i64,
        after: Option<BlobHash>,
        limit: usize,
    ) -> Result<Vec<Blob>, Fault> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(LIST)?;
            let blobs = statement.query_map((log, after.map(|hash| hash.0), limit), row_of)?;
            Ok(blobs.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Removes a blob of the caller. Its object stays for the grace period. `false` if there is no blob of this name.
    pub async fn delete_blob(&self, caller: &Caller, hash: BlobHash) -> Result<bool, Fault> {
        let log = caller.log;
        self.write_for(caller, 1, move |tx| {
            let Some(blob) = find(tx, log, hash)? else { return Ok(false) };
            rotations::note_blob_removed(tx, log, &blob)?;
            tx.prepare_cached(DELETE)?.execute((log, hash.0))?;
            remove_object(tx, blob.object, Location::Final)?;
            let removed = BlobTotals {
                confirmed_bytes: -signed(blob.size_bytes)?,
                sealed_keys: -i64::from(blob.key.is_some()),
                ..BlobTotals::default()
            };
            removed.add(tx, log)?;
            Ok(true)
        })
        .await
    }
}
