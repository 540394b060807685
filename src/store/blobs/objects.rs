//! Removed objects: no other row refers to them, and they can be deleted from the blob store after a grace period.

use rusqlite::{Connection, Row};
use uuid::Uuid;

use crate::error::Fault;
use crate::model::blobs::Location;
use crate::store::Store;
use crate::store::group::WriteTx;

/// Objects that are returned at a time.
const BATCH: usize = 500;

const INSERT: &str = "
    INSERT INTO removed_objects (object, location, removed_at) VALUES (?1, ?2, ?3) ON CONFLICT (object) DO NOTHING";
/// What never was a blob is due at once. An object that is in use again, because a backup was restored, is not.
const DUE: &str = "
    SELECT object, location FROM removed_objects
    WHERE (location = 'pending' OR (location = 'final' AND removed_at <= ?1))
        AND NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.object = removed_objects.object)
        AND NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.object = removed_objects.object)
    LIMIT ?2";
const COUNT_DUE: &str = "
    SELECT count(*) FROM removed_objects WHERE location = 'pending' OR (location = 'final' AND removed_at <= ?1)";
const FORGET: &str = "DELETE FROM removed_objects WHERE object = ?1";

/// An object that can be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemovedObject {
    /// The object's id.
    pub object: Uuid,
    /// Where it is. A pending object may already have been moved to its final location.
    pub location: Location,
}

/// Remembers an object until it is deleted.
pub(super) fn remove_object(tx: &WriteTx<'_>, object: Uuid, location: Location) -> Result<(), Fault> {
    remove_object_as_of(tx, object, location, tx.now_us)
}

/// Remembers an object as if it had been removed at this time, in microseconds since 1970.
pub(super) fn remove_object_as_of(
    tx: &WriteTx<'_>,
    object: Uuid,
    location: Location,
    removed_at: i64,
) -> Result<(), Fault> {
    let location = match location {
        Location::Pending => "pending",
        Location::Final => "final",
    };
    tx.prepare_cached(INSERT)?.execute((object.as_bytes(), location, removed_at))?;
    Ok(())
}

impl Store {
    /// Counts the removed objects that can be deleted, after a grace period in microseconds.
    pub async fn count_due_objects(&self, grace_us: i64) -> Result<usize, Fault> {
        let before = self.shared.clock.now_us().saturating_sub(grace_us);
        self.read(move |connection| {
            Ok(connection.prepare_cached(COUNT_DUE)?.query_row([before], |row| row.get(0))?)
        })
        .await
    }

    /// Returns some removed objects that can be deleted, after a grace period in microseconds. Asks the writer, since
    /// only it sees every row.
    pub async fn due_objects(&self, grace_us: i64) -> Result<Vec<RemovedObject>, Fault> {
        if self.count_due_objects(grace_us).await? == 0 {
            return Ok(Vec::new());
        }
        self.write(1, move |tx| due(tx, tx.now_us.saturating_sub(grace_us))).await
    }

    /// Forgets objects that have been deleted.
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

fn due(connection: &Connection, before: i64) -> Result<Vec<RemovedObject>, Fault> {
    let from_row = |row: &Row<'_>| {
        let is_final = row.get_ref(1)?.as_str()? == "final";
        let location = if is_final { Location::Final } else { Location::Pending };
        Ok(RemovedObject { object: Uuid::from_bytes(row.get(0)?), location })
    };
    let mut statement = connection.prepare_cached(DUE)?;
    Ok(statement.query_map((before, BATCH), from_row)?.collect::<rusqlite::Result<_>>()?)
}
