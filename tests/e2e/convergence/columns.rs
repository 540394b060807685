//! The model of rows that are merged column by column: each column has the value that was written last.
//!
//! It predicts rows that exist all the time. Rows that are deleted meanwhile are only compared between replicas.

use std::collections::{BTreeMap, BTreeSet};

use tidelog_client::replica::rusqlite::{Connection, OptionalExtension};

use crate::convergence::model::Snapshot;
use crate::convergence::schema::{BY_COLUMN, Schema};

/// Key and column.
type Name = (String, String);

/// A value that was written, with its timestamp.
struct Write {
    timestamp: i64,
    value: String,
}

#[derive(Default)]
pub(crate) struct Columns {
    writes: BTreeMap<Name, Vec<Write>>,
    /// The keys of rows that were inserted or deleted.
    unpredictable: BTreeSet<String>,
}

impl Columns {
    /// Records what a transaction has changed.
    pub(crate) fn record(&mut self, app: &Connection, schema: &Schema, before: &Snapshot, now: &Snapshot) {
        let is_by_column = |name: &&(String, String)| name.0 == BY_COLUMN;
        for name in before.keys().chain(now.keys()).filter(is_by_column) {
            let (Some(was), Some(is)) = (before.get(name), now.get(name)) else {
                self.unpredictable.insert(name.1.clone());
                continue;
            };
            for (at, column) in schema.table(BY_COLUMN).columns.iter().enumerate() {
                let (was, is) = (value(was, at), value(is, at));
                let column_of_row = (name.1.clone(), column.name.clone());
                if was == is
                    || self
                        .writes
                        .get(&column_of_row)
                        .is_some_and(|writes| writes.iter().any(|it| it.value == is))
                {
                    continue;
                }
                match dirty_timestamp(app, &column_of_row) {
                    Some(timestamp) => {
                        self.writes.entry(column_of_row).or_default().push(Write { timestamp, value: is });
                    }
                    // The row was never sent, so its columns count with the row.
                    None => drop(self.unpredictable.insert(name.1.clone())),
                }
            }
        }
    }

    /// A device was restored, and may have lost any of these writes.
    pub(crate) fn forget_all(&mut self) {
        self.unpredictable.extend(self.writes.keys().map(|(key, _)| key.clone()));
    }

    /// Compares the columns with the expected values; returns how many could be compared.
    pub(crate) fn check(&self, schema: &Schema, rows: &Snapshot) -> u64 {
        let mut predicted = 0;
        for ((key, column), writes) in
            self.writes.iter().filter(|((key, _), _)| !self.unpredictable.contains(key))
        {
            let last = writes.iter().map(|write| write.timestamp).max();
            let values: BTreeSet<_> = writes
                .iter()
                .filter(|write| Some(write.timestamp) == last)
                .map(|write| &write.value)
                .collect();
            if values.len() > 1 {
                continue;
            }
            let at = schema.table(BY_COLUMN).columns.iter().position(|it| it.name == *column);
            let row = rows.get(&(BY_COLUMN.to_owned(), key.clone()));
            let is = row.zip(at).map(|(row, at)| value(row, at));
            assert_eq!(is.as_ref(), values.first().copied(), "{column} of {key}, written at {last:?}");
            predicted += 1;
        }
        predicted
    }
}

/// No value of this table contains a comma.
fn value(row: &str, at: usize) -> String {
    row.split(',').nth(at).unwrap_or_default().to_owned()
}

fn dirty_timestamp(app: &Connection, (key, column): &Name) -> Option<i64> {
    let sql =
        "SELECT d.timestamp FROM tidelog_dirty_columns AS d JOIN tidelog_tables AS t ON t.id = d.table_id
               WHERE t.name = ?1 AND d.row_key = ?2 AND d.name = ?3";
    let mut statement = app.prepare_cached(sql).unwrap();
    statement.query_row([BY_COLUMN, key, column], |row| row.get(0)).optional().unwrap()
}
