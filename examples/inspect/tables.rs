//! The tables of the log, with their sizes.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tidelog_client::{ChangeOp, PulledChange};

use crate::columns::{Column, Style};
use crate::error::Result;
use crate::log::Log;
use crate::output::Output;
use crate::text;

const COLUMNS: [Column; 6] = [
    Column::Left("TABLE"),
    Column::Right("ROWS"),
    Column::Right("DELETED"),
    Column::Right("ENTRIES"),
    Column::Right("NEWEST SEQ"),
    Column::Left("NEWEST CHANGE (UTC)"),
];

/// The size of a table.
#[derive(Serialize)]
pub(crate) struct Table {
    table: String,
    rows: usize,
    deleted_rows: usize,
    entries: u64,
    newest_seq: i64,
    /// The timestamp of the newest entry.
    newest_timestamp: DateTime<Utc>,
}

#[derive(Serialize)]
struct Tables<'t> {
    tables: &'t [Table],
}

/// Counts rows and entries while the log is read.
#[derive(Default)]
pub(crate) struct TableCounts(BTreeMap<String, TableCount>);

#[derive(Default)]
struct TableCount {
    /// Whether the row exists, by row id.
    rows: HashMap<String, bool>,
    entries: u64,
    newest_seq: i64,
    newest_timestamp: DateTime<Utc>,
}

/// `tables`
pub(crate) async fn run(log: &Log<'_>, style: Style) -> Result<Output> {
    let mut counts = TableCounts::default();
    let issues = log.read(|page| counts.count(&page.changes)).await?;
    let tables = counts.tables();
    Ok(Output::new(&Tables { tables: &tables }, show(&tables, style))?.with_warnings(issues.warnings()))
}

impl TableCounts {
    pub(crate) fn count(&mut self, changes: &[PulledChange]) {
        for PulledChange { entry, seq, .. } in changes {
            let counted = self.0.entry(entry.table.clone()).or_default();
            counted.rows.insert(entry.row_id.clone(), entry.op != ChangeOp::Delete);
            counted.entries += 1;
            (counted.newest_seq, counted.newest_timestamp) = (*seq, entry.timestamp);
        }
    }

    /// The tables, sorted by name.
    pub(crate) fn tables(self) -> Vec<Table> {
        let table = |(table, counted): (String, TableCount)| {
            let rows = counted.rows.values().filter(|exists| **exists).count();
            Table {
                table,
                rows,
                deleted_rows: counted.rows.len() - rows,
                entries: counted.entries,
                newest_seq: counted.newest_seq,
                newest_timestamp: counted.newest_timestamp,
            }
        };
        self.0.into_iter().map(table).collect()
    }
}

/// Formats the list of tables.
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
