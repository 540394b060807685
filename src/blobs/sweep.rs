//! Sweeping: what no row needs is deleted, and what a row needs and is not there is told.
//!
//! Names are never used twice. So an object that no row names now will never be named again, and a row whose object is missing
//! while the row is there has lost it; both can be found beside uploads and deletions that go on meanwhile.

use futures_util::TryStreamExt;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Blobs;
use crate::clock::{Clock, MICROS_PER_SECOND};
use crate::error::Fault;
use crate::model::blobs::Place;
use crate::store::{Removed, Store, StoredBlob};

/// Microseconds in an hour.
const HOUR_US: i64 = 60 * 60 * MICROS_PER_SECOND;
/// Objects that are looked up at a time.
const BATCH: usize = 1_000;
/// Blobs without an object that are told by name, at most.
const MOST_TOLD: usize = 100;

/// What a sweep works on.
#[derive(Clone)]
pub struct Sweep {
    store: Store,
    blobs: Blobs,
    clock: Clock,
    grace_us: i64,
    pending_us: i64,
}

/// What a sweep found. What can be deleted is, unless it was only to look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Uploads that were not confirmed in time, given up.
    pub expired_uploads: usize,
    /// Objects of removed blobs and given-up uploads, deleted.
    pub deleted_objects: usize,
    /// Objects that no row needs where they lie: pending ones are deleted, others after the grace time.
    pub unknown_objects: usize,
    /// Blobs whose object is not there. They are only told of: the object may yet come back.
    pub missing_objects: usize,
    /// The first of them, by user, app and hash.
    pub missing: Vec<String>,
}

impl Sweep {
    /// Of this store and these blobs, with times from the settings in hours.
    pub fn new(store: Store, blobs: Blobs, clock: Clock, grace_hours: u64, pending_hours: u64) -> Self {
        let micros = |hours: u64| i64::try_from(hours).unwrap_or(i64::MAX).saturating_mul(HOUR_US);
        Self { store, blobs, clock, grace_us: micros(grace_hours), pending_us: micros(pending_hours) }
    }

    /// How long an upload may wait to be confirmed, in microseconds.
    pub fn pending_us(&self) -> i64 {
        self.pending_us
    }

    /// The store of blobs.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// What the rows alone tell: gives up expired uploads, and deletes removed objects whose time has come. Cheap where there is
    /// nothing to do.
    ///
    /// # Errors
    /// A fault of the database or the store; what was done stays done.
    pub async fn by_rows(&self) -> Result<Swept, Fault> {
        let mut swept = Swept::default();
        loop {
            match self.store.expire_uploads().await? {
                0 => break,
                some => swept.expired_uploads += some,
            }
        }
        swept.deleted_objects = self.delete_due().await?;
        Ok(swept)
    }

    /// The same, and then every object and every row.
    ///
    /// # Errors
    /// As above.
    pub async fn all(&self) -> Result<Swept, Fault> {
        let mut swept = self.by_rows().await?;
        swept.unknown_objects = self.each_unknown(true).await?;
        swept.deleted_objects += self.delete_due().await?;
        self.find_missing(&mut swept).await?;
        Ok(swept)
    }

    /// What [`Sweep::all`] would do, without doing it.
    ///
    /// # Errors
    /// As above.
    pub async fn look(&self) -> Result<Swept, Fault> {
        let mut swept = Swept {
            expired_uploads: self.store.count_expired_uploads().await?,
            deleted_objects: self.store.count_due_objects(self.grace_us).await?,
            unknown_objects: self.each_unknown(false).await?,
            ..Swept::default()
        };
        self.find_missing(&mut swept).await?;
        Ok(swept)
    }

    async fn delete_due(&self) -> Result<usize, Fault> {
        let mut deleted = 0;
        loop {
            let due = self.store.due_objects(self.grace_us).await?;
            if due.is_empty() {
                return Ok(deleted);
            }
            for Removed { object, place } in &due {
                if *place == Place::Pending {
                    self.blobs.delete(*object, Place::Pending).await?;
                }
                self.blobs.delete(*object, Place::Final).await?;
            }
            deleted += due.len();
            // The object first: a crash in between repeats the deletion, and forgets nothing.
            self.store.forget_objects(due.iter().map(|removed| removed.object).collect()).await?;
        }
    }

    /// Counts the objects that no row names, and has them removed if asked to.
    async fn each_unknown(&self, remove: bool) -> Result<usize, Fault> {
        let mut found = 0;
        for (part, place) in [("pending", Place::Pending), ("blobs", Place::Final)] {
            let mut objects = self.blobs.list(&Path::from(part));
            let mut batch = Vec::with_capacity(BATCH);
            loop {
                let next = objects.try_next().await?;
                let is_end = next.is_none();
                // What has just come may not have its row yet.
                let old = next.filter(|(_, changed_us)| *changed_us <= self.clock.now_us() - self.pending_us);
                batch.extend(old.map(|(object, _)| object));
                if batch.len() == BATCH || is_end {
                    found += self.unknown_among(std::mem::take(&mut batch), place, remove).await?;
                }
                if is_end {
                    break;
                }
            }
        }
        Ok(found)
    }

    async fn unknown_among(&self, objects: Vec<Uuid>, place: Place, remove: bool) -> Result<usize, Fault> {
        let mut late = Vec::new();
        if place == Place::Pending {
            late = self.store.confirmed_objects(objects.clone()).await?;
        }
        let unknown = self.store.unknown_objects(objects).await?;
        if !remove {
            return Ok(late.len() + unknown.len());
        }
        for object in &late {
            // Sent to a bucket once more after it was confirmed. There is the blob, and here is what nobody asks for.
            self.blobs.delete(*object, Place::Pending).await?;
        }
        let removed = match unknown.is_empty() {
            true => 0,
            false => self.store.remove_unknown_objects(unknown, place).await?,
        };
        Ok(late.len() + removed)
    }

    async fn find_missing(&self, swept: &mut Swept) -> Result<(), Fault> {
        for shelf in 0..=u8::MAX {
            let blobs = self.store.list_shelf(shelf).await?;
            if blobs.is_empty() {
                continue;
            }
            let part = Path::from(format!("blobs/{shelf:02x}"));
            let there: std::collections::HashSet<Uuid> =
                self.blobs.list(&part).map_ok(|(object, _)| object).try_collect().await?;
            for blob in blobs.iter().filter(|blob| !there.contains(&blob.object)) {
                if self.is_missing(blob, shelf).await? {
                    swept.missing_objects += 1;
                    if swept.missing.len() < MOST_TOLD {
                        swept.missing.push(format!("user {} in {}: {}", blob.user, blob.app_name, blob.hash));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a blob that was not in the list is really lost: it may have been removed meanwhile, row first.
    async fn is_missing(&self, blob: &StoredBlob, shelf: u8) -> Result<bool, Fault> {
        if self.blobs.look(blob.object, Place::Final).await?.is_some() {
            return Ok(false);
        }
        let still = self.store.list_shelf(shelf).await?;
        Ok(still.iter().any(|found| found.object == blob.object))
    }
}
