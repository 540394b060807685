//! The tables: what is in them, by number.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tidelog_client::{ChangeOp, PulledChange};

use crate::answer::Answer;
use crate::columns::{Column, Style};
use crate::failure::Result;
use crate::log::Log;
use crate::text;

const COLUMNS: [Column; 6] = [
    Column::Left("TABLE"),
    Column::Right("ROWS"),
    Column::Right("DELETED"),
    Column::Right("ENTRIES"),
    Column::Right("NEWEST SEQ"),
    Column::Left("NEWEST CHANGE (UTC)"),
];

/// A table in numbers.
#[derive(Serialize)]
pub(crate) struct Table {
    table: String,
    rows: usize,
    deleted_rows: usize,
    entries: u64,
    newest_seq: i64,
    /// The newest entry's own time.
    newest_timestamp: DateTime<Utc>,
}

#[derive(Serialize)]
struct Tables<'t> {
    tables: &'t [Table],
}

/// Counts while the log is read.
#[derive(Default)]
pub(crate) struct Tally(BTreeMap<String, Counted>);

#[derive(Default)]
struct Counted {
    /// Whether the row is there, by its name.
    rows: HashMap<String, bool>,
    entries: u64,
    newest_seq: i64,
    newest_timestamp: DateTime<Utc>,
}

/// `tables`
pub(crate) async fn answer(log: &Log<'_>, style: Style) -> Result<Answer> {
    let mut tally = Tally::default();
    let oddities = log.read(|page| tally.count(&page.changes)).await?;
    let tables = tally.tables();
    Ok(Answer::new(&Tables { tables: &tables }, show(&tables, style))?.with_warnings(oddities.warnings()))
}

impl Tally {
    pub(crate) fn count(&mut self, changes: &[PulledChange]) {
        for PulledChange { entry, seq, .. } in changes {
            let counted = self.0.entry(entry.table.clone()).or_default();
            counted.rows.insert(entry.row_id.clone(), entry.op != ChangeOp::Delete);
            counted.entries += 1;
            (counted.newest_seq, counted.newest_timestamp) = (*seq, entry.timestamp);
        }
    }

    /// The tables by name.
    pub(crate) fn tables(self) -> Vec<Table> {
        let summed_up = |(table, counted): (String, Counted)| {
            let rows = counted.rows.values().filter(|there| **there).count();
            Table {
                table,
                rows,
                deleted_rows: counted.rows.len() - rows,
                entries: counted.entries,
                newest_seq: counted.newest_seq,
                newest_timestamp: counted.newest_timestamp,
            }
        };
        self.0.into_iter().map(summed_up).collect()
    }
}

/// The tables as a table.
pub(crate) fn show(tables: &[Table], style: Style) -> String {
    let row = |table: &Table| {
        vec![
            table.table.clone(),
            table.rows.to_string(),
            table.deleted_rows.to_string(),
            table.entries.to_string(),
            table.newest_seq.to_string(),
            text::time(table.newest_timestamp),
        ]
    };
    style.table(&COLUMNS, tables.iter().map(row))
}
