//! What happens where a row was written here and on another device, and neither knew of the other.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::key::RowKey;
use super::row::{Row, Stamps, canonical};

/// How the conflicts of a table are settled.
#[derive(Clone, Default)]
pub enum Rule {
    /// The row that was written last counts, as a whole. A deletion counts as a write.
    #[default]
    ByRow,
    /// Of each column, what was written last counts. A deletion counts if no column was written later.
    ByColumn,
    /// The app decides.
    ByApp(Decide),
}

/// Settles one conflict. It runs inside a transaction on the app's database, on a thread that may block; it must not write to
/// that database itself.
pub type Decide = Arc<dyn Fn(&Conflict<'_>) -> Resolution + Send + Sync>;

impl Rule {
    /// The app decides.
    pub fn by_app(decide: impl Fn(&Conflict<'_>) -> Resolution + Send + Sync + 'static) -> Self {
        Self::ByApp(Arc::new(decide))
    }

    pub(super) fn is_by_column(&self) -> bool {
        matches!(self, Self::ByColumn)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::ByRow => "ByRow",
            Self::ByColumn => "ByColumn",
            Self::ByApp(_) => "ByApp",
        })
    }
}

/// A row that was written on both sides.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Conflict<'a> {
    /// The table, by its name in the app's database.
    pub table: &'a str,
    /// The row's key.
    pub key: &'a RowKey,
    /// The row here; `None` if it was deleted.
    pub local: Option<&'a Row>,
    /// The row as another device wrote it; `None` if it was deleted.
    pub remote: Option<&'a Row>,
    /// When it was written here.
    pub local_time: DateTime<Utc>,
    /// When it was written there.
    pub remote_time: DateTime<Utc>,
}

/// How a conflict ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    /// The row stays as it is here, and is sent.
    KeepLocal,
    /// The row becomes what the other device wrote.
    TakeRemote,
    /// The row becomes this one, which is sent. Columns that it does not name stay as they are here.
    Merge(Row),
}

/// One side of a conflict.
pub(super) struct Side<'a> {
    pub(super) row: Option<&'a Row>,
    pub(super) stamp: i64,
    /// Stamps of single columns.
    pub(super) stamps: &'a Stamps,
}

impl Side<'_> {
    /// Later wins; of two at the same time the same one on every device.
    fn order(&self) -> (i64, Option<Vec<u8>>) {
        (self.stamp, self.row.map(canonical))
    }

    fn stamp_of(&self, column: &str) -> i64 {
        self.stamps.get(column).copied().unwrap_or(self.stamp)
    }
}

/// The outcome by row.
pub(super) fn by_row(local: &Side<'_>, remote: &Side<'_>) -> Resolution {
    if local.stamp != remote.stamp {
        return if local.stamp > remote.stamp { Resolution::KeepLocal } else { Resolution::TakeRemote };
    }
    if local.order() > remote.order() { Resolution::KeepLocal } else { Resolution::TakeRemote }
}

/// The outcome by column: the merged row, and which columns of it are this device's. `local.stamps` has the columns that were
/// written here and no others.
pub(super) fn by_column(local: &Side<'_>, remote: &Side<'_>) -> (Resolution, Vec<String>) {
    let (Some(here), Some(there)) = (local.row, remote.row) else {
        return (by_row(local, remote), Vec::new());
    };
    let mut merged = there.clone();
    let mut kept = Vec::new();
    for (column, stamp) in local.stamps {
        let Some(cell) = here.get(column) else { continue };
        let later = (*stamp, Some(cell.to_json().to_string()));
        let other = (remote.stamp_of(column), there.get(column).map(|cell| cell.to_json().to_string()));
        if later > other {
            merged.insert(column.clone(), cell.clone());
            kept.push(column.clone());
        }
    }
    if kept.is_empty() { (Resolution::TakeRemote, kept) } else { (Resolution::Merge(merged), kept) }
}

#[cfg(test)]
mod tests {
    use super::super::cell::Cell;
    use super::*;

    fn row(columns: &[(&str, i64)]) -> Row {
        columns.iter().map(|(name, value)| ((*name).to_owned(), Cell::Integer(*value))).collect()
    }

    fn side<'a>(row: Option<&'a Row>, stamp: i64, stamps: &'a Stamps) -> Side<'a> {
        Side { row, stamp, stamps }
    }

    #[test]
    fn the_later_row_wins_and_at_the_same_time_the_same_one_on_both_sides() {
        let (a, b, none) = (row(&[("x", 1)]), row(&[("x", 2)]), Stamps::new());
        let settle = |here: Option<&Row>, at, there: Option<&Row>, then| {
            by_row(&side(here, at, &none), &side(there, then, &none))
        };
        assert_eq!(settle(Some(&a), 2, Some(&b), 1), Resolution::KeepLocal);
        assert_eq!(settle(Some(&a), 1, None, 2), Resolution::TakeRemote);
        let both = [settle(Some(&a), 1, Some(&b), 1), settle(Some(&b), 1, Some(&a), 1)];
        assert!(both.contains(&Resolution::KeepLocal) && both.contains(&Resolution::TakeRemote));
        assert_eq!(settle(None, 1, Some(&a), 1), Resolution::TakeRemote);
        assert_eq!(settle(Some(&a), 1, None, 1), Resolution::KeepLocal);
    }

    #[test]
    fn by_column_each_side_keeps_what_it_wrote_last() {
        let (here, there) = (row(&[("x", 1), ("y", 1), ("z", 1)]), row(&[("x", 2), ("y", 2), ("z", 2)]));
        let written_here = Stamps::from([("x".into(), 10), ("y".into(), 5)]);
        let written_there = Stamps::from([("x".into(), 3)]);
        let (resolution, kept) =
            by_column(&side(Some(&here), 10, &written_here), &side(Some(&there), 7, &written_there));
        assert_eq!(resolution, Resolution::Merge(row(&[("x", 1), ("y", 2), ("z", 2)])));
        assert_eq!(kept, ["x"]);
    }

    #[test]
    fn by_column_a_deletion_loses_to_a_later_edit_only() {
        let (here, none) = (row(&[("x", 1)]), Stamps::new());
        let written = Stamps::from([("x".into(), 10)]);
        let settle =
            |deleted_at| by_column(&side(Some(&here), 10, &written), &side(None, deleted_at, &none)).0;
        assert_eq!(settle(9), Resolution::KeepLocal);
        assert_eq!(settle(11), Resolution::TakeRemote);
    }
}
