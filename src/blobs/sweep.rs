//! Sweeping the blob store: objects that no row refers to are deleted, and rows whose object is missing are reported.
//!
//! Object ids are never reused. So an object that no row refers to now never will be referred to again, and a row
//! whose object is missing has lost it. Both can be found while uploads and deletions go on.

use futures_util::TryStreamExt;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store::BlobStore;
use crate::clock::{Clock, MICROS_PER_SECOND};
use crate::error::Fault;
use crate::model::blobs::Location;
use crate::store::{RemovedObject, Store, StoredBlob};

/// Microseconds in an hour.
const HOUR_US: i64 = 60 * 60 * MICROS_PER_SECOND;
/// Objects that are looked up at a time.
const BATCH: usize = 1_000;
/// Missing objects that a report names.
const MAX_NAMED_MISSING: usize = 100;

/// Sweeps a blob store.
#[derive(Clone)]
pub struct Sweeper {
    store: Store,
    blobs: BlobStore,
    clock: Clock,
    grace_us: i64,
    upload_lifetime_us: i64,
}

/// What a sweep found and deleted, or would delete if it is a dry run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepReport {
    /// Uploads that were not confirmed in time, discarded.
    pub expired_uploads: usize,
    /// Objects of removed blobs and discarded uploads, deleted.
    pub deleted_objects: usize,
    /// Objects that no row refers to in their location. Pending ones are deleted, final ones after the grace period.
    pub unknown_objects: usize,
    /// Blobs whose object is missing. They are only reported, since the object may be restored.
    pub missing_objects: usize,
    /// The first of them, by user, app and hash.
    pub missing: Vec<String>,
}

/// Converts a setting in hours to microseconds.
pub fn hours_to_us(hours: u64) -> i64 {
    i64::try_from(hours).unwrap_or(i64::MAX).saturating_mul(HOUR_US)
}

impl Sweeper {
    /// Creates a sweeper that keeps the objects of removed blobs for a grace period, and objects without a row for as
    /// long as an upload may wait for its confirmation. Both in hours.
    pub fn new(store: Store, blobs: BlobStore, clock: Clock, grace_hours: u64, pending_hours: u64) -> Self {
        let (grace_us, upload_lifetime_us) = (hours_to_us(grace_hours), hours_to_us(pending_hours));
        Self { store, blobs, clock, grace_us, upload_lifetime_us }
    }

    /// Discards expired uploads, and deletes removed objects whose grace period is over. Cheap if there is nothing to
    /// do, since it only looks at rows. After an error, what was done stays done.
    pub async fn sweep_rows(&self) -> Result<SweepReport, Fault> {
        let mut report = SweepReport::default();
        loop {
            match self.store.expire_uploads().await? {
                0 => break,
                some => report.expired_uploads += some,
            }
        }
        report.deleted_objects = self.delete_due().await?;
        Ok(report)
    }

    /// Sweeps rows, and then looks at every object and every row.
    pub async fn sweep_all(&self) -> Result<SweepReport, Fault> {
        let mut report = self.sweep_rows().await?;
        report.unknown_objects = self.for_unknown_objects(true).await?;
        report.deleted_objects += self.delete_due().await?;
        self.find_missing(&mut report).await?;
        Ok(report)
    }

    /// Reports what [`Sweeper::sweep_all`] would do, without doing it.
    pub async fn dry_run(&self) -> Result<SweepReport, Fault> {
        let mut report = SweepReport {
            expired_uploads: self.store.count_expired_uploads().await?,
            deleted_objects: self.store.count_due_objects(self.grace_us).await?,
            unknown_objects: self.for_unknown_objects(false).await?,
            ..SweepReport::default()
        };
        self.find_missing(&mut report).await?;
        Ok(report)
    }

    async fn delete_due(&self) -> Result<usize, Fault> {
        let mut deleted = 0;
        loop {
            let due = self.store.due_objects(self.grace_us).await?;
            if due.is_empty() {
                return Ok(deleted);
            }
            for RemovedObject { object, location } in &due {
                if *location == Location::Pending {
                    self.blobs.delete(*object, Location::Pending).await?;
                }
                self.blobs.delete(*object, Location::Final).await?;
            }
            deleted += due.len();
            // Objects first: after a crash in between, the deletion is repeated and nothing is forgotten.
            self.store.forget_objects(due.iter().map(|removed| removed.object).collect()).await?;
        }
    }

    /// Counts the objects that no row refers to, and removes them if asked to.
    async fn for_unknown_objects(&self, remove: bool) -> Result<usize, Fault> {
        let mut found = 0;
        for (path, location) in [("pending", Location::Pending), ("blobs", Location::Final)] {
            let mut objects = self.blobs.list(&Path::from(path));
            let mut batch = Vec::with_capacity(BATCH);
            loop {
                let next = objects.try_next().await?;
                let is_end = next.is_none();
                // An object that was just written may not have its row yet.
                let old = next
                    .filter(|(_, changed_us)| *changed_us <= self.clock.now_us() - self.upload_lifetime_us);
                batch.extend(old.map(|(object, _)| object));
                if batch.len() == BATCH || is_end {
                    found += self.unknown_among(std::mem::take(&mut batch), location, remove).await?;
                }
                if is_end {
                    break;
                }
            }
        }
        Ok(found)
    }

    async fn unknown_among(
        &self,
        objects: Vec<Uuid>,
        location: Location,
        remove: bool,
    ) -> Result<usize, Fault> {
        let mut late = Vec::new();
        if location == Location::Pending {
            late = self.store.confirmed_objects(objects.clone()).await?;
        }
        let unknown = self.store.unknown_objects(objects).await?;
        if !remove {
            return Ok(late.len() + unknown.len());
        }
        for object in &late {
            // It was sent to S3 once more after it was confirmed. The blob is in its final location, so this copy is
            // not needed.
            self.blobs.delete(*object, Location::Pending).await?;
        }
        let removed = match unknown.is_empty() {
            true => 0,
            false => self.store.remove_unknown_objects(unknown, location).await?,
        };
        Ok(late.len() + removed)
    }

    async fn find_missing(&self, report: &mut SweepReport) -> Result<(), Fault> {
        for first_byte in 0..=u8::MAX {
            let blobs = self.store.blobs_by_object(first_byte).await?;
            if blobs.is_empty() {
                continue;
            }
            let path = Path::from(format!("blobs/{first_byte:02x}"));
            let existing: std::collections::HashSet<Uuid> =
                self.blobs.list(&path).map_ok(|(object, _)| object).try_collect().await?;
            for blob in blobs.iter().filter(|blob| !existing.contains(&blob.object)) {
                if self.is_missing(blob, first_byte).await? {
                    report.missing_objects += 1;
                    if report.missing.len() < MAX_NAMED_MISSING {
                        report
                            .missing
                            .push(format!("user {} in {}: {}", blob.user, blob.app_name, blob.hash));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether an object that was not listed is really lost: its blob may have been removed meanwhile, row first.
    async fn is_missing(&self, blob: &StoredBlob, first_byte: u8) -> Result<bool, Fault> {
        if self.blobs.size_of(blob.object, Location::Final).await?.is_some() {
            return Ok(false);
        }
        let blobs = self.store.blobs_by_object(first_byte).await?;
        Ok(blobs.iter().any(|found| found.object == blob.object))
    }
}
