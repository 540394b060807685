//! How far each device has pulled, kept in memory and written to the database now and then.
//!
//! Otherwise every pull would cost a write. What a crash loses is a little progress: the position on disk may lag
//! behind, but is never ahead, and a lagging one only makes a push answer with an older cursor.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::error::Fault;
use crate::model::logs::LogDevice;

const UPDATE: &str = "
    UPDATE devices SET last_seen_at = max(last_seen_at, ?2), pulled_seq = coalesce(?3, pulled_seq),
        own_until = max(own_until, coalesce(?4, 0))
    WHERE id = ?1";

/// What a device's row does not hold yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The seq up to which it has pulled. `None`: as in its row.
    pulled_seq: Option<i64>,
    /// The seq up to which it is given its own entries. `None`: as in its row.
    own_until: Option<i64>,
    seen_at_us: i64,
}

/// Progress that is not on disk yet, by the row of the device.
#[derive(Default)]
pub(super) struct DeviceProgress(Mutex<HashMap<i64, Progress>>);

impl DeviceProgress {
    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device pushed, or pulled with filters.
    pub(super) fn note_seen(&self, device: i64, now_us: i64) {
        self.change(device, now_us, |_| {});
    }

    /// The device was given everything up to `seq`. One that returns to an older cursor returns here as well: it may
    /// never have received the answer.
    pub(super) fn note_pulled(&self, device: i64, seq: i64, now_us: i64) {
        self.change(device, now_us, |progress| progress.pulled_seq = Some(seq));
    }

    /// The device is to be given its own entries up to `seq`, which could not be written to a full disk.
    pub(super) fn note_own_until(&self, device: i64, seq: i64, now_us: i64) {
        self.change(device, now_us, |progress| progress.own_until = Some(seq));
    }

    fn change(&self, device: i64, now_us: i64, change: impl FnOnce(&mut Progress)) {
        let mut all = self.lock();
        let progress = all.entry(device).or_default();
        progress.seen_at_us = now_us;
        change(progress);
    }

    /// The device as its row would be if its progress were written.
    pub(super) fn applied_to(&self, device: LogDevice) -> LogDevice {
        let progress = self.lock().get(&device.id).copied().unwrap_or_default();
        LogDevice {
            pulled_seq: progress.pulled_seq.unwrap_or(device.pulled_seq),
            own_until: progress.own_until.unwrap_or(device.own_until),
            ..device
        }
    }

    pub(super) fn unwritten(&self) -> Vec<(i64, Progress)> {
        self.lock().iter().map(|(device, progress)| (*device, *progress)).collect()
    }

    /// Drops what has been written, unless it has changed since.
    pub(super) fn drop_written(&self, written: &[(i64, Progress)]) {
        let mut all = self.lock();
        for (device, progress) in written {
            if all.get(device) == Some(progress) {
                all.remove(device);
            }
        }
    }
}

/// Writes progress to the rows of the devices.
pub(super) fn write(connection: &Connection, rows: &[(i64, Progress)]) -> Result<(), Fault> {
    let mut update = connection.prepare_cached(UPDATE)?;
    for (device, Progress { pulled_seq, own_until, seen_at_us }) in rows {
        update.execute((device, seen_at_us, pulled_seq, own_until))?;
    }
    Ok(())
}
