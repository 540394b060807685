//! Blobs: what is granted, what is confirmed, and what nobody needs any more.
//!
//! Only rows are here; the objects themselves are `crate::blobs`' affair. An object is there before its row, and goes after
//! it: on removal the row moves to `removed_objects`, which remembers the object until it can be deleted.

mod confirm;
mod removal;
mod sweep;
mod uploads;

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

pub use confirm::{Confirmation, Confirmed, Prepared};
pub use removal::Removed;
pub(super) use removal::remove_some_of_user;
pub use sweep::StoredBlob;
pub use uploads::{Grant, NewUpload};

use super::group::WriteTx;
use super::{Store, rotations};
use crate::error::Fault;
use crate::model::blobs::{Blob, BlobHash, Place, SealedKey};
use crate::model::sessions::Caller;

const FIND: &str = "
    SELECT hash, object, size_bytes, wrapped_key, key_version, verified, created_at FROM blobs WHERE log = ?1 AND hash = ?2";
const LIST: &str = "
    SELECT hash, object, size_bytes, wrapped_key, key_version, verified, created_at FROM blobs
    WHERE log = ?1 AND (?2 IS NULL OR hash > ?2) ORDER BY hash LIMIT ?3";
const DELETE: &str = "DELETE FROM blobs WHERE log = ?1 AND hash = ?2";
const ADD: &str = "
    INSERT INTO blob_totals (log, confirmed_bytes, granted_bytes, wrapped_keys)
    VALUES (?1, max(?2, 0), max(?3, 0), max(?4, 0))
    ON CONFLICT (log) DO UPDATE SET confirmed_bytes = confirmed_bytes + ?2, granted_bytes = granted_bytes + ?3,
        wrapped_keys = wrapped_keys + ?4";
const SUMS: &str = "SELECT confirmed_bytes, granted_bytes, wrapped_keys FROM blob_totals WHERE log = ?1";
const REMOVE_OBJECT: &str = "
    INSERT INTO removed_objects (object, location, removed_at) VALUES (?1, ?2, ?3) ON CONFLICT (object) DO NOTHING";

/// What the blobs of a log take, or what a change adds to that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) confirmed_bytes: i64,
    pub(super) granted_bytes: i64,
    /// Blobs that have a sealed key.
    pub(super) sealed_keys: i64,
}

impl Sums {
    /// Of a log; all 0 if it never had a blob.
    pub(super) fn find(connection: &Connection, log: i64) -> Result<Self, Fault> {
        let from_row = |row: &Row<'_>| {
            Ok(Self { confirmed_bytes: row.get(0)?, granted_bytes: row.get(1)?, sealed_keys: row.get(2)? })
        };
        Ok(connection.prepare_cached(SUMS)?.query_row([log], from_row).optional()?.unwrap_or_default())
    }

    /// Adds these to those of a log.
    fn add(self, tx: &WriteTx<'_>, log: i64) -> Result<(), Fault> {
        let row = (log, self.confirmed_bytes, self.granted_bytes, self.sealed_keys);
        tx.prepare_cached(ADD)?.execute(row)?;
        Ok(())
    }
}

/// A size that was checked against the cap, as the database counts.
fn signed(bytes: u64) -> Result<i64, Fault> {
    i64::try_from(bytes).map_err(Fault::internal)
}

fn place_name(place: Place) -> &'static str {
    match place {
        Place::Pending => "pending",
        Place::Final => "final",
    }
}

/// Remembers an object until it is deleted.
fn remove_object(tx: &WriteTx<'_>, object: Uuid, place: Place) -> Result<(), Fault> {
    remove_object_as_of(tx, object, place, tx.now_us)
}

/// The same, as if it had been removed at that time, in microseconds since 1970.
fn remove_object_as_of(tx: &WriteTx<'_>, object: Uuid, place: Place, removed_at: i64) -> Result<(), Fault> {
    let row = (object.as_bytes(), place_name(place), removed_at);
    tx.prepare_cached(REMOVE_OBJECT)?.execute(row)?;
    Ok(())
}

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

fn find(connection: &Connection, log: i64, hash: BlobHash) -> Result<Option<Blob>, Fault> {
    Ok(connection.prepare_cached(FIND)?.query_row((log, hash.0), row_of).optional()?)
}

impl Store {
    /// The confirmed blob of this name in a log.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn find_blob(&self, log: i64, hash: BlobHash) -> Result<Option<Blob>, Fault> {
        self.read(move |connection| find(connection, log, hash)).await
    }

    /// The confirmed blobs of a log whose names follow `after`, in the order of their names, at most so many.
    ///
    /// # Errors
    /// A fault of the database.
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

    /// Removes a blob of the caller; its object stays for the grace time. `false`: there is none of this name.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn delete_blob(&self, caller: &Caller, hash: BlobHash) -> Result<bool, Fault> {
        let log = caller.log;
        self.write_for(caller, 1, move |tx| {
            let Some(blob) = find(tx, log, hash)? else { return Ok(false) };
            rotations::note_blob_removed(tx, log, &blob)?;
            tx.prepare_cached(DELETE)?.execute((log, hash.0))?;
            remove_object(tx, blob.object, Place::Final)?;
            let sums = Sums {
                confirmed_bytes: -signed(blob.size_bytes)?,
                sealed_keys: -i64::from(blob.key.is_some()),
                ..Sums::default()
            };
            sums.add(tx, log)?;
            Ok(true)
        })
        .await
    }
}
