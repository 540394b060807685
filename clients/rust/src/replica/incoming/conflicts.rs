//! Decides conflicts: rows that were written here and on another device, neither of which had seen the other's write.

use chrono::{DateTime, Utc};

use crate::replica::local::app_rows;
use crate::replica::local::table::Table;
use crate::replica::metadata::dirty_rows::DirtyKind;
use crate::replica::rule::{Conflict, Resolution, Rule};
use crate::replica::values::row::{ColumnTimestamps, Row, canonical_json};
use crate::replica::values::row_key::RowKey;

/// One side of a conflict.
pub(super) struct Side<'a> {
    /// `None`: it deleted the row.
    pub(super) row: Option<&'a Row>,
    pub(super) timestamp: i64,
    /// When single columns were written. On the local side these are the dirty columns; on the remote side, columns
    /// that are missing were written when the row was.
    pub(super) column_timestamps: ColumnTimestamps,
}

/// The outcome of a conflict.
#[derive(Debug, PartialEq)]
pub(super) struct ConflictOutcome {
    pub(super) resolution: Resolution,
    pub(super) tracking: Tracking,
}

/// What a conflict changes about the row being dirty, if the local side does not lose altogether.
#[derive(Debug, PartialEq)]
pub(super) enum Tracking {
    Unchanged,
    /// Of the dirty columns, these stay dirty.
    Columns(Vec<String>),
    /// The outcome counts as a new write, later than both sides.
    NewWrite(DirtyKind),
}

/// Decides by the table's rule.
pub(super) fn resolve(table: &Table, key: &RowKey, local: &Side<'_>, remote: &Side<'_>) -> ConflictOutcome {
    match &table.rule {
        Rule::ByRow => ConflictOutcome { resolution: by_row(local, remote), tracking: Tracking::Unchanged },
        Rule::ByColumn => {
            let (resolution, kept) = by_column(local, remote);
            ConflictOutcome { resolution, tracking: Tracking::Columns(kept) }
        }
        Rule::ByApp(handler) => {
            let resolution = handler(&Conflict {
                table: &table.name,
                key,
                local: local.row,
                remote: remote.row,
                local_time: time(local.timestamp),
                remote_time: time(remote.timestamp),
            });
            by_app(table, resolution, local.row)
        }
    }
}

impl Side<'_> {
    /// Completes the local side: of a row that the log does not have, all columns are dirty.
    pub(super) fn set_dirty_columns(&mut self, mut dirty: ColumnTimestamps, is_in_log: bool) {
        if let Some(row) = self.row.filter(|_| !is_in_log) {
            for name in row.keys() {
                dirty.entry(name.clone()).or_insert(self.timestamp);
            }
        }
        dirty.values_mut().for_each(|column| *column = (*column).min(self.timestamp));
        self.column_timestamps = dirty;
    }

    fn column_timestamp(&self, column: &str) -> i64 {
        self.column_timestamps.get(column).copied().unwrap_or(self.timestamp)
    }
}

/// The later write wins. If both have the same timestamp, all devices choose the same one, by its contents.
fn by_row(local: &Side<'_>, remote: &Side<'_>) -> Resolution {
    let order = |side: &Side<'_>| (side.timestamp, side.row.map(canonical_json));
    let is_local_later = match local.timestamp.cmp(&remote.timestamp) {
        std::cmp::Ordering::Equal => order(local) > order(remote),
        ordering => ordering.is_gt(),
    };
    if is_local_later { Resolution::KeepLocal } else { Resolution::TakeRemote }
}

/// Takes each column from the side that wrote it later. Also returns the columns that were taken from the local side.
fn by_column(local: &Side<'_>, remote: &Side<'_>) -> (Resolution, Vec<String>) {
    let (Some(local_row), Some(remote_row)) = (local.row, remote.row) else {
        return (by_row(local, remote), Vec::new());
    };
    let mut merged = remote_row.clone();
    let mut kept = Vec::new();
    for (column, timestamp) in &local.column_timestamps {
        let Some(cell) = local_row.get(column) else { continue };
        let local_order = (*timestamp, Some(cell.to_json().to_string()));
        let remote_cell = remote_row.get(column).map(|cell| cell.to_json().to_string());
        // Whoever does not name a column has not written it.
        if remote_cell.is_none() || local_order > (remote.column_timestamp(column), remote_cell) {
            merged.insert(column.clone(), cell.clone());
            kept.push(column.clone());
        }
    }
    if kept.is_empty() { (Resolution::TakeRemote, kept) } else { (Resolution::Merge(merged), kept) }
}

/// Completes what the app has decided.
fn by_app(table: &Table, resolution: Resolution, local: Option<&Row>) -> ConflictOutcome {
    match resolution {
        Resolution::TakeRemote => {
            ConflictOutcome { resolution: Resolution::TakeRemote, tracking: Tracking::Unchanged }
        }
        Resolution::KeepLocal => {
            let kind = if local.is_some() { DirtyKind::Written } else { DirtyKind::Deleted };
            ConflictOutcome { resolution: Resolution::KeepLocal, tracking: Tracking::NewWrite(kind) }
        }
        Resolution::Merge(columns) => {
            let mut merged = local.cloned().unwrap_or_default();
            merged.extend(app_rows::split_columns(table, columns).0);
            ConflictOutcome {
                resolution: Resolution::Merge(merged),
                tracking: Tracking::NewWrite(DirtyKind::Written),
            }
        }
    }
}

fn time(timestamp: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(timestamp).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::values::cell::Cell;

    fn row(columns: &[(&str, i64)]) -> Row {
        columns.iter().map(|(name, value)| ((*name).to_owned(), Cell::Integer(*value))).collect()
    }

    fn side<'a>(row: Option<&'a Row>, timestamp: i64, columns: &[(&str, i64)]) -> Side<'a> {
        let columns = columns.iter().map(|(name, timestamp)| ((*name).to_owned(), *timestamp));
        Side { row, timestamp, column_timestamps: columns.collect() }
    }

    #[test]
    fn the_later_row_wins_and_with_equal_timestamps_all_devices_choose_the_same_row() {
        let (a, b) = (row(&[("x", 1)]), row(&[("x", 2)]));
        let resolve = |local: Option<&Row>, local_time, remote: Option<&Row>, remote_time| {
            by_row(&side(local, local_time, &[]), &side(remote, remote_time, &[]))
        };
        assert_eq!(resolve(Some(&a), 2, Some(&b), 1), Resolution::KeepLocal);
        assert_eq!(resolve(Some(&a), 1, None, 2), Resolution::TakeRemote);
        let both = [resolve(Some(&a), 1, Some(&b), 1), resolve(Some(&b), 1, Some(&a), 1)];
        assert!(both.contains(&Resolution::KeepLocal) && both.contains(&Resolution::TakeRemote));
        assert_eq!(resolve(None, 1, Some(&a), 1), Resolution::TakeRemote);
        assert_eq!(resolve(Some(&a), 1, None, 1), Resolution::KeepLocal);
    }

    #[test]
    fn each_column_is_taken_from_the_side_that_wrote_it_later() {
        let (local, remote) = (row(&[("x", 1), ("y", 1), ("z", 1)]), row(&[("x", 2), ("y", 2), ("z", 2)]));
        let (resolution, kept) =
            by_column(&side(Some(&local), 10, &[("x", 10), ("y", 5)]), &side(Some(&remote), 7, &[("x", 3)]));
        assert_eq!(resolution, Resolution::Merge(row(&[("x", 1), ("y", 2), ("z", 2)])));
        assert_eq!(kept, ["x"]);
    }

    #[test]
    fn by_column_a_deletion_loses_only_to_a_later_edit() {
        let local = row(&[("x", 1)]);
        let resolve =
            |deleted_at| by_column(&side(Some(&local), 10, &[("x", 10)]), &side(None, deleted_at, &[])).0;
        assert_eq!(resolve(9), Resolution::KeepLocal);
        assert_eq!(resolve(11), Resolution::TakeRemote);
    }
}
