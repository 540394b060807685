//! What nobody needs any more: uploads that were never confirmed, and objects whose rows are gone.

use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::uploads::{discard, row_of};
use super::{Sums, remove_object_as_of};
use crate::error::Fault;
use crate::model::blobs::{Place, Upload};
use crate::store::Store;
use crate::store::group::WriteTx;

/// Rows dealt with in one transaction, at most.
const STEP: usize = 500;

/// Before every time of grace.
const LONG_AGO_US: i64 = 0;

const COUNT_EXPIRED: &str = "SELECT count(*) FROM uploads WHERE expires_at <= ?1";
const EXPIRED: &str = "
    SELECT uuid, hash, size_bytes, object, received_bytes, received_hash, log FROM uploads
    WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2";
/// What never was a blob goes at once. An object that is in use again, by a database that was put back, does not.
const DUE: &str = "
    SELECT object, location FROM removed_objects
    WHERE (location = 'pending' OR (location = 'final' AND removed_at <= ?1))
        AND NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.object = removed_objects.object)
        AND NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.object = removed_objects.object)
    LIMIT ?2";
const COUNT_DUE: &str = "
    SELECT count(*) FROM removed_objects WHERE location = 'pending' OR (location = 'final' AND removed_at <= ?1)";
const FORGET: &str = "DELETE FROM removed_objects WHERE object = ?1";

const UPLOADS_OF_USER: &str = "
    SELECT uuid, hash, size_bytes, object, received_bytes, received_hash, log FROM uploads
    WHERE log IN (SELECT id FROM logs WHERE user = ?1) LIMIT ?2";
const BLOBS_OF_USER: &str = "
    SELECT object, log, hash, size_bytes, wrapped_key IS NOT NULL FROM blobs
    WHERE log IN (SELECT id FROM logs WHERE user = ?1) LIMIT ?2";
const DELETE_BLOB: &str = "DELETE FROM blobs WHERE log = ?1 AND hash = ?2";

/// An object that can be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Its name.
    pub object: Uuid,
    /// Where it lies; a pending one may have got as far as its final place.
    pub place: Place,
}

impl Store {
    /// Gives up some uploads that have expired. The answer is how many; 0: none is left.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn expire_uploads(&self) -> Result<usize, Fault> {
        // A look by a reader first: nearly always there is nothing to write.
        if self.count_expired_uploads().await? == 0 {
            return Ok(0);
        }
        self.write(1, |tx| {
            let expired = uploads(tx, EXPIRED, (tx.now_us, STEP))?;
            expired.iter().try_for_each(|(upload, log)| discard(tx, *log, upload))?;
            Ok(expired.len())
        })
        .await
    }

    /// How many uploads have expired.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn count_expired_uploads(&self) -> Result<usize, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| {
            Ok(connection.prepare_cached(COUNT_EXPIRED)?.query_row([now_us], |row| row.get(0))?)
        })
        .await
    }

    /// How many removed objects can be deleted, after a grace time in microseconds.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn count_due_objects(&self, grace_us: i64) -> Result<usize, Fault> {
        let before = self.shared.clock.now_us().saturating_sub(grace_us);
        self.read(move |connection| {
            Ok(connection.prepare_cached(COUNT_DUE)?.query_row([before], |row| row.get(0))?)
        })
        .await
    }

    /// Some removed objects that can be deleted, after a grace time in microseconds; the writer says so, as only it knows of every
    /// row.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn due_objects(&self, grace_us: i64) -> Result<Vec<Removed>, Fault> {
        if self.count_due_objects(grace_us).await? == 0 {
            return Ok(Vec::new());
        }
        self.write(1, move |tx| due(tx, tx.now_us.saturating_sub(grace_us))).await
    }

    /// Forgets objects that have been deleted.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn forget_objects(&self, objects: Vec<Uuid>) -> Result<(), Fault> {
        self.write(1, move |tx| {
            let mut forget = tx.prepare_cached(FORGET)?;
            for object in &objects {
                forget.execute([object.as_bytes()])?;
            }
            Ok(())
        })
        .await
    }
}

fn due(connection: &Connection, before: i64) -> Result<Vec<Removed>, Fault> {
    let from_row = |row: &Row<'_>| {
        let place = if row.get_ref(1)?.as_str()? == "final" { Place::Final } else { Place::Pending };
        Ok(Removed { object: Uuid::from_bytes(row.get(0)?), place })
    };
    let mut statement = connection.prepare_cached(DUE)?;
    Ok(statement.query_map((before, STEP), from_row)?.collect::<rusqlite::Result<_>>()?)
}

fn uploads(tx: &WriteTx<'_>, sql: &str, params: impl rusqlite::Params) -> Result<Vec<(Upload, i64)>, Fault> {
    let mut statement = tx.prepare_cached(sql)?;
    let uploads = statement.query_map(params, |row| Ok((row_of(row)?, row.get(6)?)))?;
    Ok(uploads.collect::<rusqlite::Result<_>>()?)
}

/// Object, log, hash, size in bytes, and 1 if it has a sealed key.
type BlobOfUser = ([u8; 16], i64, [u8; 32], i64, i64);

/// Takes some of a user's uploads and blobs out of the books, and remembers their objects. `true`: none is left.
pub(in crate::store) fn remove_some_of_user(tx: &WriteTx<'_>, user: i64) -> Result<bool, Fault> {
    let uploads = uploads(tx, UPLOADS_OF_USER, (user, STEP))?;
    uploads.iter().try_for_each(|(upload, log)| discard(tx, *log, upload))?;
    let mut statement = tx.prepare_cached(BLOBS_OF_USER)?;
    let blobs: Vec<BlobOfUser> = statement
        .query_map((user, STEP), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (object, log, hash, size_bytes, sealed_keys) in &blobs {
        // Without a time of grace: who has everything deleted means it.
        remove_object_as_of(tx, Uuid::from_bytes(*object), Place::Final, LONG_AGO_US)?;
        tx.prepare_cached(DELETE_BLOB)?.execute((log, hash))?;
        let sums = Sums { confirmed_bytes: -size_bytes, sealed_keys: -sealed_keys, ..Sums::default() };
        sums.add(tx, *log)?;
    }
    Ok(uploads.len() < STEP && blobs.len() < STEP)
}
