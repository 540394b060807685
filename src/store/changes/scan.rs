//! Reading a log from a seq onwards, page by page: for pulls, exports and rotations.

use rusqlite::types::ValueRef;
use rusqlite::{Row, Rows};
use tidelog_protocol::limits::{MAX_PAGE_BYTES, MAX_SCANNED_PER_PAGE};

use super::rows::{Authors, entry};
use crate::error::Fault;
use crate::model::changes::{EntrySink, PullQuery};
use crate::model::rotations::Rotation;
use crate::store::batch_buffer::{BufferedBatch, LogSnapshot};

/// Flushed batches of log ?1 in their order, and the changes of each, after seq ?2 and up to ?5. Batches of device ?3
/// only up to ?4.
const FLUSHED: &str = "
    SELECT changes.seq, batches.device, table_name, op, row_id, timestamp, key_version, data
    FROM batches CROSS JOIN changes ON changes.seq BETWEEN max(batches.first_seq, ?2 + 1) AND batches.last_seq
    WHERE batches.log = ?1 AND batches.last_seq > ?2 AND batches.last_seq <= ?5 AND changes.log = ?1
        AND (batches.device IS NOT ?3 OR batches.last_seq <= ?4)
    ORDER BY batches.last_seq, changes.seq";
/// Changes of one buffered batch, of device ?4.
const BUFFERED: &str = "
    SELECT seq, ?4, table_name, op, row_id, timestamp, key_version, data FROM changes
    WHERE seq BETWEEN ?1 AND ?2 AND log = ?3 ORDER BY seq";
/// As above, where data is NULL if rotation ?4 to key ?3 has nothing to do, so that what is passed over is not read.
const FLUSHED_TO_ROTATE: &str = "
    SELECT changes.seq, batches.device, table_name, op, row_id, timestamp, key_version,
        CASE WHEN key_version <> ?3 AND NOT EXISTS (
            SELECT 1 FROM rotation_kept_entries AS kept WHERE kept.rotation = ?4 AND kept.seq = changes.seq) THEN data END
    FROM batches CROSS JOIN changes ON changes.seq BETWEEN max(batches.first_seq, ?2 + 1) AND batches.last_seq
    WHERE batches.log = ?1 AND batches.last_seq > ?2 AND changes.log = ?1
    ORDER BY batches.last_seq, changes.seq";
/// As above, for rotation ?6 to key ?5.
const BUFFERED_TO_ROTATE: &str = "
    SELECT seq, ?4, table_name, op, row_id, timestamp, key_version,
        CASE WHEN key_version <> ?5 AND NOT EXISTS (
            SELECT 1 FROM rotation_kept_entries AS kept WHERE kept.rotation = ?6 AND kept.seq = changes.seq) THEN data END
    FROM changes WHERE seq BETWEEN ?1 AND ?2 AND log = ?3 ORDER BY seq";

/// The entries of a log that a scan is for.
#[derive(Clone, Copy)]
pub(in crate::store) enum Selection<'q> {
    /// Those of a pull: the device's own only up to a seq, and of all only those that pass the filters, if there are
    /// any.
    Pull { device: i64, own_until: i64, filters: Option<&'q PullQuery> },
    /// All of them up to a seq, which is the end of a batch.
    Export { until: i64 },
    /// Those that a rotation has yet to replace.
    Rotation(&'q Rotation),
}

impl Selection<'_> {
    /// Whether a batch is passed over as a whole.
    fn skips(&self, batch: &BufferedBatch) -> bool {
        match *self {
            Self::Pull { device, own_until, .. } => batch.device == device && batch.last_seq > own_until,
            Self::Export { until } => batch.last_seq > until,
            Self::Rotation(_) => false,
        }
    }

    /// Looks at the short columns only, so that data which is passed over is not read.
    fn includes(&self, row: &Row<'_>) -> Result<bool, Fault> {
        Ok(match self {
            Self::Pull { filters: Some(query), .. } => {
                query.wants(row.get_ref(2)?.as_str().map_err(Fault::internal)?, row.get(5)?)
            }
            Self::Pull { filters: None, .. } | Self::Export { .. } => true,
            Self::Rotation(_) => row.get_ref(7)? != ValueRef::Null,
        })
    }

    /// Entries that a page looks at, at most: it bounds the time for which a page passes over entries.
    fn max_scanned(&self) -> usize {
        match self {
            Self::Pull { filters: None, .. } | Self::Export { .. } => usize::MAX,
            Self::Pull { filters: Some(_), .. } | Self::Rotation(_) => MAX_SCANNED_PER_PAGE,
        }
    }
}

/// Where a page ended.
#[derive(Clone, Copy)]
pub(in crate::store) struct PageEnd {
    /// The last seq that it looked at.
    pub(in crate::store) reached: i64,
    pub(in crate::store) has_more: bool,
}

/// A page as it fills.
pub(in crate::store) struct LogScan<'s, S> {
    log: &'s LogSnapshot<'s>,
    selection: Selection<'s>,
    limit: usize,
    max_scanned: usize,
    sink: &'s mut S,
    authors: Authors,
    given: usize,
    bytes: usize,
    scanned: usize,
    end: PageEnd,
}

impl<'s, S: EntrySink> LogScan<'s, S> {
    /// Gives the sink entries after a seq, until there are `limit` of them, the page is full or the log ends.
    pub(in crate::store) fn page(
        log: &'s LogSnapshot<'s>,
        selection: Selection<'s>,
        from: i64,
        limit: usize,
        sink: &'s mut S,
    ) -> Result<PageEnd, Fault> {
        let mut scan = Self {
            log,
            selection,
            limit,
            max_scanned: selection.max_scanned(),
            sink,
            authors: Authors::default(),
            given: 0,
            bytes: 0,
            scanned: 0,
            end: PageEnd { reached: from, has_more: false },
        };
        scan.read_flushed()?;
        scan.read_buffered()?;
        Ok(scan.end)
    }

    fn read_flushed(&mut self) -> Result<(), Fault> {
        let (log, from) = (self.log.log, self.end.reached);
        let mut statement;
        let rows = match self.selection {
            Selection::Pull { device, own_until, .. } => {
                statement = self.log.connection.prepare_cached(FLUSHED)?;
                statement.query((log, from, device, own_until, i64::MAX))?
            }
            Selection::Export { until } => {
                statement = self.log.connection.prepare_cached(FLUSHED)?;
                statement.query((log, from, None::<i64>, until, until))?
            }
            Selection::Rotation(rotation) => {
                statement = self.log.connection.prepare_cached(FLUSHED_TO_ROTATE)?;
                statement.query((log, from, rotation.key_version, rotation.id))?
            }
        };
        self.read(rows)
    }

    fn read_buffered(&mut self) -> Result<(), Fault> {
        let log = self.log;
        let sql =
            if matches!(self.selection, Selection::Rotation(_)) { BUFFERED_TO_ROTATE } else { BUFFERED };
        let mut statement = log.connection.prepare_cached(sql)?;
        for batch in log.buffered() {
            // What had been flushed when the snapshot began came with the rest.
            if batch.last_seq <= self.end.reached || self.selection.skips(batch) {
                continue;
            }
            if self.end.has_more {
                break;
            }
            let first = batch.first_seq.max(self.end.reached + 1);
            let rows = match self.selection {
                Selection::Pull { .. } | Selection::Export { .. } => {
                    statement.query((first, batch.last_seq, log.log, batch.device))?
                }
                Selection::Rotation(rotation) => statement.query((
                    first,
                    batch.last_seq,
                    log.log,
                    batch.device,
                    rotation.key_version,
                    rotation.id,
                ))?,
            };
            self.read(rows)?;
        }
        Ok(())
    }

    fn read(&mut self, mut rows: Rows<'_>) -> Result<(), Fault> {
        while let Some(row) = rows.next()? {
            if self.is_full() {
                self.end.has_more = true;
                break;
            }
            self.scanned += 1;
            self.end.reached = row.get(0)?;
            if self.selection.includes(row)? {
                self.given += 1;
                let author = self.authors.find(self.log.connection, row.get(1)?)?;
                self.bytes += self.sink.entry(&entry(row, author)?);
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.given >= self.limit || self.bytes >= MAX_PAGE_BYTES || self.scanned >= self.max_scanned
    }
}
