//! Rows that cannot exist next to each other: for example, two devices took the same e-mail address for different rows.
//!
//! The row that was written last stays. The other one is deleted on all devices: this device sends the deletion. Its
//! contents are kept as a problem, for the app to show.

use rusqlite::{Connection, params_from_iter};

use crate::replica::error::Result;
use crate::replica::local::table::Table;
use crate::replica::values::cell::Cell;
use crate::replica::values::row::Row;
use crate::replica::values::row_key::RowKey;
use crate::replica::values::sql::identifier;

/// Why the row that was written earlier is deleted.
pub(super) const REASON: &str = "another row has the same value in a unique column";

/// What to do about a row that the database rejects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UniqueDecision {
    /// Try again later: nothing that this device may delete is in the way.
    Defer,
    /// Delete the rows in the way, and write the row.
    ReplaceRivals,
    /// Delete the row itself.
    DeleteRow,
}

/// Decides by timestamps. `rivals` says for each row in the way when it was written here; `None` if it is in the log
/// next to the rejected row, so that it is not for this device to decide.
pub(super) fn decide(rivals: &[Option<i64>], row_timestamp: i64) -> UniqueDecision {
    match rivals.iter().copied().collect::<Option<Vec<i64>>>() {
        Some(rivals) if !rivals.is_empty() => {
            if rivals.iter().all(|rival| *rival <= row_timestamp) {
                UniqueDecision::ReplaceRivals
            } else {
                UniqueDecision::DeleteRow
            }
        }
        _ => UniqueDecision::Defer,
    }
}

/// Finds the other rows of the table that have the same values as `row` in a unique constraint.
pub(super) fn find_rivals(
    connection: &Connection,
    table: &Table,
    key: &RowKey,
    row: &Row,
) -> Result<Vec<RowKey>> {
    let mut rivals = Vec::new();
    for constraint in &table.unique_constraints {
        let cells: Option<Vec<_>> = constraint.columns.iter().map(|(name, _)| row.get(name)).collect();
        // NULLs are distinct.
        let Some(cells) = cells.filter(|cells| !cells.contains(&&Cell::Null)) else { continue };
        let name = identifier(&table.name);
        let sql = format!(
            "SELECT {} FROM {name} WHERE {}",
            table.key_sql(&format!("{name}.")),
            constraint.condition(&table.name, |_| String::from("?"))
        );
        let mut statement = connection.prepare_cached(&sql)?;
        for rival in statement.query_map(params_from_iter(cells), |row| row.get::<_, RowKey>(0))? {
            let rival = rival?;
            if rival != *key && !rivals.contains(&rival) {
                rivals.push(rival);
            }
        }
    }
    Ok(rivals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_that_was_written_later_stays() {
        assert_eq!(decide(&[Some(1), Some(2)], 2), UniqueDecision::ReplaceRivals);
        assert_eq!(decide(&[Some(1), Some(3)], 2), UniqueDecision::DeleteRow);
    }

    #[test]
    fn rows_that_are_both_in_the_log_are_left_to_the_devices_that_wrote_them() {
        assert_eq!(decide(&[Some(1), None], 2), UniqueDecision::Defer);
        assert_eq!(decide(&[], 2), UniqueDecision::Defer);
    }
}
