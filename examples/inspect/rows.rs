//! The rows of a table, each as in its newest entry.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::columns::{Column, Style};
use crate::entry::{Entry, compact};
use crate::error::{InspectError, Result};
use crate::log::Log;
use crate::output::Output;
use crate::text;

const COLUMNS: [Column; 4] =
    [Column::Left("ROW"), Column::Right("SEQ"), Column::Left("CHANGED (UTC)"), Column::Left("VALUE")];

#[derive(Serialize)]
struct Rows<'t> {
    table: &'t str,
    rows: Vec<Entry>,
    /// The number of deleted rows, whether they are shown or not.
    deleted_rows: usize,
}

/// `rows`
pub(crate) async fn run(log: &Log<'_>, table: &str, with_deleted: bool, style: Style) -> Result<Output> {
    let (mut rows, mut tables) = (BTreeMap::new(), BTreeSet::new());
    let issues = log
        .read(|page| {
            for change in page.changes {
                if change.entry.table == table {
                    rows.insert(change.entry.row_id.clone(), Entry::new(change, log));
                } else if !tables.contains(&change.entry.table) {
                    tables.insert(change.entry.table);
                }
            }
        })
        .await?;
    if rows.is_empty() {
        return Err(InspectError::NoTable { table: table.to_owned(), tables: tables.into_iter().collect() });
    }
    let deleted_rows = rows.values().filter(|row| row.is_delete()).count();
    let rows = rows.into_values().filter(|row| with_deleted || !row.is_delete()).collect();
    let found = Rows { table, rows, deleted_rows };
    Ok(Output::new(&found, found.show(with_deleted, style))?.with_warnings(issues.warnings()))
}

impl Rows<'_> {
    fn show(&self, with_deleted: bool, style: Style) -> String {
        let row = |row: &Entry| {
            let value = if row.is_delete() { "(deleted)".into() } else { compact(row.value.as_ref()) };
            vec![row.row_id.clone(), row.seq.to_string(), text::time(row.timestamp), value]
        };
        let mut shown = style.table(&COLUMNS, self.rows.iter().map(row));
        if self.deleted_rows > 0 && !with_deleted {
            shown += &format!("\ndeleted rows (show with --deleted): {}\n", self.deleted_rows);
        }
        shown
    }
}
