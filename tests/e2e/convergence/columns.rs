//! The plain model of rows that are merged column by column: each column is what was written into it last.
//!
//! It foresees rows that are there all the time; whether a deletion counts is for the comparison of replicas with each other.

use std::collections::{BTreeMap, BTreeSet};

use tidelog_client::replica::rusqlite::{Connection, OptionalExtension};

use crate::convergence::model::Snapshot;
use crate::convergence::schema::{BY_COLUMN, Schema};

/// Key and column.
type Name = (String, String);

/// A value that was written, and when.
struct Write {
    stamp: i64,
    value: String,
}

#[derive(Default)]
pub(crate) struct Columns {
    writes: BTreeMap<Name, Vec<Write>>,
    /// Keys of rows that came or went.
    unforeseen: BTreeSet<String>,
}

impl Columns {
    /// Notes what a transaction has changed.
    pub(crate) fn note(&mut self, app: &Connection, schema: &Schema, before: &Snapshot, now: &Snapshot) {
        let is_here = |name: &&(String, String)| name.0 == BY_COLUMN;
        for name in before.keys().chain(now.keys()).filter(is_here) {
            let (Some(was), Some(is)) = (before.get(name), now.get(name)) else {
                self.unforeseen.insert(name.1.clone());
                continue;
            };
            for (at, column) in schema.table(BY_COLUMN).columns.iter().enumerate() {
                let (was, is) = (value(was, at), value(is, at));
                let place = (name.1.clone(), column.name.clone());
                if was == is
                    || self.writes.get(&place).is_some_and(|writes| writes.iter().any(|it| it.value == is))
                {
                    continue;
                }
                match stamp(app, &place) {
                    Some(stamp) => self.writes.entry(place).or_default().push(Write { stamp, value: is }),
                    // The row has never been sent: its columns count with it.
                    None => drop(self.unforeseen.insert(name.1.clone())),
                }
            }
        }
    }

    /// What a device has lost is not known.
    pub(crate) fn give_up(&mut self) {
        self.unforeseen.extend(self.writes.keys().map(|(key, _)| key.clone()));
    }

    /// Compares what became of the columns with what was to be expected; gives how many could be compared.
    pub(crate) fn check(&self, schema: &Schema, rows: &Snapshot) -> u64 {
        let mut foreseen = 0;
        for ((key, column), writes) in
            self.writes.iter().filter(|((key, _), _)| !self.unforeseen.contains(key))
        {
            let last = writes.iter().map(|write| write.stamp).max();
            let values: BTreeSet<_> =
                writes.iter().filter(|write| Some(write.stamp) == last).map(|write| &write.value).collect();
            if values.len() > 1 {
                continue;
            }
            let at = schema.table(BY_COLUMN).columns.iter().position(|it| it.name == *column);
            let row = rows.get(&(BY_COLUMN.to_owned(), key.clone()));
            let is = row.zip(at).map(|(row, at)| value(row, at));
            assert_eq!(is.as_ref(), values.first().copied(), "{column} of {key}, written at {last:?}");
            foreseen += 1;
        }
        foreseen
    }
}

/// No value of this table has a comma in it.
fn value(row: &str, at: usize) -> String {
    row.split(',').nth(at).unwrap_or_default().to_owned()
}

fn stamp(app: &Connection, (key, column): &Name) -> Option<i64> {
    let sql =
        "SELECT d.timestamp FROM tidelog_dirty_columns AS d JOIN tidelog_tables AS t ON t.id = d.table_id
               WHERE t.name = ?1 AND d.row_key = ?2 AND d.name = ?3";
    let mut statement = app.prepare_cached(sql).unwrap();
    statement.query_row([BY_COLUMN, key, column], |row| row.get(0)).optional().unwrap()
}
