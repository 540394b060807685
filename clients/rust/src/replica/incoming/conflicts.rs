//! What a rule makes of a row that was written on both sides.

use crate::replica::rule::Resolution;
use crate::replica::values::row::{Row, Stamps, canonical};

/// One side of a conflict.
pub(crate) struct Side<'a> {
    pub(crate) row: Option<&'a Row>,
    pub(crate) stamp: i64,
    /// Stamps of single columns.
    pub(crate) stamps: &'a Stamps,
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
pub(crate) fn by_row(local: &Side<'_>, remote: &Side<'_>) -> Resolution {
    if local.stamp != remote.stamp {
        return if local.stamp > remote.stamp { Resolution::KeepLocal } else { Resolution::TakeRemote };
    }
    if local.order() > remote.order() { Resolution::KeepLocal } else { Resolution::TakeRemote }
}

/// The outcome by column: the merged row, and which columns of it are this device's. `local.stamps` has the columns that were
/// written here and no others.
pub(crate) fn by_column(local: &Side<'_>, remote: &Side<'_>) -> (Resolution, Vec<String>) {
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
    use super::*;
    use crate::replica::values::cell::Cell;

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
