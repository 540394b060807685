//! Tells the app which rows have changed, so that it can show them anew.

use crate::replica::values::row_key::RowKey;

/// Rows of one table that have changed together.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TableChange {
    /// The table's name in the app's database.
    pub table: String,
    /// The keys of the rows that were written or deleted, each once. Some may be as they were before.
    pub keys: Vec<RowKey>,
    /// Who has changed them.
    pub origin: Origin,
}

/// Who has changed a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The replica, as it applied what other devices have written. The transaction is committed.
    OtherDevices,
    /// Any connection to this database: the rows are about to be sent.
    ThisDevice,
}

/// Groups rows by their tables, in the order in which each table comes first.
pub(crate) fn group(origin: Origin, rows: impl IntoIterator<Item = (String, RowKey)>) -> Vec<TableChange> {
    let mut changes: Vec<TableChange> = Vec::new();
    for (table, key) in rows {
        let index = changes.iter().position(|change| change.table == table).unwrap_or_else(|| {
            changes.push(TableChange { table, keys: Vec::new(), origin });
            changes.len() - 1
        });
        changes[index].keys.push(key);
    }
    for change in &mut changes {
        change.keys.sort();
        change.keys.dedup();
    }
    changes
}
