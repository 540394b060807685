//! The model: records all writes with their timestamps, and so predicts the final contents of each row, whatever
//! happened in between.
//!
//! It predicts only rows that users have written. If a replica has resolved a foreign key or a unique constraint, its
//! own write is later than all writes of users, and the row is only checked by the other comparisons.

use std::collections::{BTreeMap, BTreeSet};

use tidelog_client::replica::rusqlite::Connection;

use crate::convergence::columns::Columns;
use crate::convergence::schema::{BY_COLUMN, Schema};

/// Table and key.
pub(crate) type Name = (String, String);

/// The contents of rows.
pub(crate) type Snapshot = BTreeMap<Name, String>;

/// A row after a transaction.
struct Edit {
    device: usize,
    timestamp: i64,
    content: Option<String>,
    /// Whether the database was restored afterwards, so that the edit counts only if it had been pushed.
    is_uncertain: bool,
}

#[derive(Default)]
pub(crate) struct Model {
    edits: BTreeMap<Name, Vec<Edit>>,
    /// Rows whose final contents do not depend only on the edits.
    unpredictable: BTreeSet<Name>,
    columns: Columns,
}

pub(crate) fn snapshot(app: &Connection, schema: &Schema) -> Snapshot {
    let mut rows = Snapshot::new();
    for table in &schema.tables {
        let sql = format!("SELECT {}, {} FROM {}", table.key_sql(), table.row_sql(), table.name);
        let mut statement = app.prepare_cached(&sql).unwrap();
        let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.extend(found.map(|row| row.unwrap()).map(|(key, content)| ((table.name.clone(), key), content)));
    }
    rows
}

impl Model {
    /// Records what a transaction has changed.
    pub(crate) fn record(&mut self, device: usize, app: &Connection, schema: &Schema, before: &Snapshot) {
        let now = snapshot(app, schema);
        self.columns.record(app, schema, before, &now);
        let dirty_rows = dirty_rows(app);
        let names: BTreeSet<_> = before.keys().chain(now.keys()).cloned().collect();
        for name in names {
            let (was, is) = (before.get(&name), now.get(&name));
            if was == is {
                continue;
            }
            let timestamp =
                *dirty_rows.get(&name).unwrap_or_else(|| panic!("{name:?} has changed, but is not dirty"));
            let edits = self.edits.entry(name.clone()).or_default();
            let came_before = edits.iter().any(|edit| edit.content.is_some() && edit.content.as_ref() == is);
            // A row that ends up as the log has it is not sent, although it was different in between.
            if came_before
                || (is.is_none() && !is_in_log(app, &name))
                || (edits.is_empty() && is.is_some() && was.is_none() && has_version(app, &name))
            {
                self.unpredictable.insert(name.clone());
            }
            if edits.is_empty() && was.is_some() {
                edits.push(Edit { device, timestamp: i64::MIN, content: was.cloned(), is_uncertain: false });
            }
            edits.push(Edit { device, timestamp, content: is.cloned(), is_uncertain: false });
        }
    }

    /// Records that a device's database was restored from a copy.
    pub(crate) fn restore(&mut self, device: usize, app: &Connection) {
        self.columns.forget_all();
        let dirty_rows = dirty_rows(app);
        for (name, edits) in &mut self.edits {
            for edit in edits.iter_mut().filter(|edit| edit.device == device && edit.timestamp != i64::MIN) {
                edit.is_uncertain |= dirty_rows.get(name) != Some(&edit.timestamp);
            }
        }
    }

    /// Compares the rows with the expected ones; returns how many could be compared. `log` has the timestamps of all
    /// entries of each row, the newest last; `removed_by_constraint` the rows that the devices report as such.
    pub(crate) fn check(
        &self,
        schema: &Schema,
        rows: &Snapshot,
        log: &BTreeMap<Name, Vec<i64>>,
        removed_by_constraint: &BTreeSet<Name>,
    ) -> u64 {
        let mut predicted = self.columns.check(schema, rows);
        for (name, edits) in &self.edits {
            if self.unpredictable.contains(name) || name.0 == BY_COLUMN {
                continue;
            }
            let nothing = Vec::new();
            let entries = log.get(name).unwrap_or(&nothing);
            let counts = |edit: &&Edit| !edit.is_uncertain || entries.contains(&edit.timestamp);
            let Some(last) = edits.iter().filter(counts).max_by_key(|edit| edit.timestamp) else { continue };
            let same_time = edits.iter().filter(|edit| edit.timestamp == last.timestamp).count();
            // If a constraint has removed or restored the row before the write was pushed, the log does not show it,
            // and other devices may have written the row since.
            let may_be_undone =
                !rows.contains_key(name) || last.content.is_none() || removed_by_constraint.contains(name);
            let undone = !entries.contains(&last.timestamp) && may_be_undone;
            let settled = undone || entries.last().is_some_and(|newest| *newest > last.timestamp);
            if same_time > 1
                || last.timestamp == i64::MIN
                || (settled && schema.table(&name.0).has_constraints)
            {
                continue;
            }
            assert_eq!(
                rows.get(name),
                last.content.as_ref(),
                "{name:?} at {}, in the log at {entries:?}",
                last.timestamp
            );
            predicted += 1;
        }
        predicted
    }
}

fn dirty_rows(app: &Connection) -> BTreeMap<Name, i64> {
    let sql = "SELECT t.name, d.row_key, max(d.timestamp)
               FROM (SELECT table_id, row_key, timestamp FROM tidelog_dirty_rows
                     UNION ALL SELECT table_id, row_key, timestamp FROM tidelog_insert_buffer) AS d
               JOIN tidelog_tables AS t ON t.id = d.table_id GROUP BY t.name, d.row_key";
    let mut statement = app.prepare_cached(sql).unwrap();
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn is_in_log(app: &Connection, name: &Name) -> bool {
    version_matches(app, name, "NOT r.deleted AND NOT EXISTS (SELECT 1 FROM tidelog_outbox)")
}

fn has_version(app: &Connection, name: &Name) -> bool {
    version_matches(app, name, "true")
}

fn version_matches(app: &Connection, (table, key): &Name, condition: &str) -> bool {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM tidelog_row_versions AS r JOIN tidelog_tables AS t ON t.id = r.table_id
                        WHERE t.name = ?1 AND r.row_key = ?2 AND {condition})"
    );
    app.prepare_cached(&sql).unwrap().query_row([table, key], |row| row.get(0)).unwrap()
}
