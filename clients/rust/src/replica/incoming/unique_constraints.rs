//! Rows that must not stand beside each other: two devices took the same e-mail address for different rows.
//!
//! The row that was written last stays, the other one goes, on every device: this one sends its deletion. What it held is kept
//! as a problem for the app to show.

use super::merge::{Merge, Write};
use crate::replica::error::Result;
use crate::replica::local::app_rows as content;
use crate::replica::metadata::dirty_rows::{self as marks, Kind};
use crate::replica::metadata::problems::{self, Place, ProblemKind};
use crate::replica::metadata::row_versions as rows;
use crate::replica::metadata::row_versions::is_unchanged;
use crate::replica::values::row::{Row, Stamps};
use crate::replica::values::row_key::RowKey;

impl Merge<'_> {
    /// Makes room for a row that was refused, gives it up, or lets it wait for what may still come.
    pub(crate) fn make_room_or_wait(&mut self, write: Write, reason: &str) -> Result<()> {
        let table = &self.tables[write.table];
        let rivals = if self.caught_up {
            content::rivals(self.connection, table, &write.key, &write.row)?
        } else {
            Vec::new()
        };
        let stamps =
            rivals.iter().map(|rival| self.local_stamp(write.table, rival)).collect::<Result<Vec<_>>>()?;
        let stamps: Option<Vec<_>> = stamps.into_iter().collect();
        match stamps.as_deref() {
            // No rival, or one that is in the log beside it: that is not this device's to settle.
            None | Some([]) => self.wait(&write, reason),
            Some(stamps) if stamps.iter().all(|stamp| *stamp <= self.ceiling.clamp(write.stamp)) => {
                for rival in &rivals {
                    self.give_way(write.table, rival, "another row has what must be unique")?;
                }
                match self.write(&write)? {
                    Ok(()) => Ok(()),
                    Err(reason) => self.wait(&write, &reason),
                }
            }
            Some(_) => self.give_up(&write),
        }
    }

    /// When a row was written here, if it was and is not sent yet.
    fn local_stamp(&self, place: usize, key: &RowKey) -> Result<Option<i64>> {
        let table = &self.tables[place];
        let Some(mark) = marks::find(self.connection, table.no, key)? else { return Ok(None) };
        let known = rows::find(self.connection, table.no, key)?;
        let local = content::read(self.connection, table, key)?;
        if is_unchanged(known.as_ref(), local.as_ref()) {
            return Ok(None);
        }
        Ok(Some(self.ceiling.of_local(mark, known.map_or(0, |known| known.stamp))))
    }

    /// Whether a row was written here and is not sent yet.
    pub(crate) fn is_written_here(&self, place: usize, key: &RowKey) -> Result<bool> {
        Ok(self.local_stamp(place, key)?.is_some())
    }

    /// Removes a row from the table and from the log, and keeps what it held.
    pub(crate) fn give_way(&mut self, place: usize, key: &RowKey, reason: &str) -> Result<()> {
        let table = &self.tables[place];
        let row = content::read(self.connection, table, key)?;
        let stamp = self.tick()?;
        self.report(place, key, stamp, row.as_ref(), reason)?;
        self.delete(place, key)?;
        marks::put(self.connection, self.tables[place].no, key, stamp, Kind::Deleted)
    }

    /// Does not apply a row that loses to one of this device's, and removes it from the log.
    fn give_up(&mut self, write: &Write) -> Result<()> {
        let stamp = self.tick()?;
        let reason = "another row has what must be unique";
        self.report(write.table, &write.key, stamp, Some(&write.row), reason)?;
        self.delete(write.table, &write.key)?;
        marks::put(self.connection, self.tables[write.table].no, &write.key, stamp, Kind::Deleted)
    }

    fn wait(&mut self, write: &Write, reason: &str) -> Result<()> {
        let table = &self.tables[write.table];
        let row_id = write.key.to_wire();
        let place =
            Place { wire_name: &table.wire_name, row: &row_id, seq: Some(write.seq), stamp: write.stamp };
        let data = (write.row.clone(), Stamps::new());
        problems::put(self.connection, ProblemKind::NotApplied, place, Some(&data), reason)?;
        rows::forget_digest(self.connection, table.no, &write.key)
    }

    pub(crate) fn report(
        &self,
        place: usize,
        key: &RowKey,
        stamp: i64,
        row: Option<&Row>,
        reason: &str,
    ) -> Result<()> {
        let row_id = key.to_wire();
        let wire_name = &self.tables[place].wire_name;
        let place = Place { wire_name, row: &row_id, seq: None, stamp };
        let data = row.map(|row| (row.clone(), Stamps::new()));
        problems::put(self.connection, ProblemKind::GaveWay, place, data.as_ref(), reason)
    }
}
