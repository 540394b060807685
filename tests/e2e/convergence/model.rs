//! The plain model: what everybody wrote and when, and so what each row must be in the end, whatever happened in between.
//!
//! It foresees rows that were only written: where a foreign key or a unique column made a replica settle something, that write
//! is later than all of the users', and the row is left to the other comparisons.

use std::collections::{BTreeMap, BTreeSet};

use tidelog_client::replica::rusqlite::Connection;

use crate::convergence::columns::Columns;
use crate::convergence::schema::{BY_COLUMN, Schema};

/// Table and key.
pub(crate) type Name = (String, String);

/// Content by row.
pub(crate) type Snapshot = BTreeMap<Name, String>;

/// One row as one transaction left it.
struct Edit {
    device: usize,
    stamp: i64,
    content: Option<String>,
    /// Whether the database that held it was put back, so that it counts only if it had been pushed.
    in_doubt: bool,
}

#[derive(Default)]
pub(crate) struct Model {
    edits: BTreeMap<Name, Vec<Edit>>,
    /// Rows of which more than the edits themselves decides what they become.
    unforeseen: BTreeSet<Name>,
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
    /// Notes what a transaction has changed.
    pub(crate) fn note(&mut self, device: usize, app: &Connection, schema: &Schema, before: &Snapshot) {
        let now = snapshot(app, schema);
        self.columns.note(app, schema, before, &now);
        let marks = marks(app);
        let names: BTreeSet<_> = before.keys().chain(now.keys()).cloned().collect();
        for name in names {
            let (was, is) = (before.get(&name), now.get(&name));
            if was == is {
                continue;
            }
            let stamp = *marks.get(&name).unwrap_or_else(|| panic!("{name:?} has changed and is not marked"));
            let edits = self.edits.entry(name.clone()).or_default();
            let came_before = edits.iter().any(|edit| edit.content.is_some() && edit.content.as_ref() == is);
            // A row that is as the log has it is not sent, though it was something else meanwhile.
            if came_before
                || (is.is_none() && !is_in_log(app, &name))
                || (edits.is_empty() && is.is_some() && was.is_none() && is_known(app, &name))
            {
                self.unforeseen.insert(name.clone());
            }
            if edits.is_empty() && was.is_some() {
                edits.push(Edit { device, stamp: i64::MIN, content: was.cloned(), in_doubt: false });
            }
            edits.push(Edit { device, stamp, content: is.cloned(), in_doubt: false });
        }
    }

    /// A device's database was put back from a copy.
    pub(crate) fn put_back(&mut self, device: usize, app: &Connection) {
        self.columns.give_up();
        let marks = marks(app);
        for (name, edits) in &mut self.edits {
            for edit in edits.iter_mut().filter(|edit| edit.device == device && edit.stamp != i64::MIN) {
                edit.in_doubt |= marks.get(name) != Some(&edit.stamp);
            }
        }
    }

    /// Compares what became of the rows with what was to be expected; gives how many could be compared. `log` has the stamps of
    /// all entries of each row, the newest last; `gave_way` the rows of which a device says so.
    pub(crate) fn check(
        &self,
        schema: &Schema,
        rows: &Snapshot,
        log: &BTreeMap<Name, Vec<i64>>,
        gave_way: &BTreeSet<Name>,
    ) -> u64 {
        let mut foreseen = self.columns.check(schema, rows);
        for (name, edits) in &self.edits {
            if self.unforeseen.contains(name) || name.0 == BY_COLUMN {
                continue;
            }
            let nothing = Vec::new();
            let entries = log.get(name).unwrap_or(&nothing);
            let counts = |edit: &&Edit| !edit.in_doubt || entries.contains(&edit.stamp);
            let Some(last) = edits.iter().filter(counts).max_by_key(|edit| edit.stamp) else { continue };
            let same_time = edits.iter().filter(|edit| edit.stamp == last.stamp).count();
            // What gave way, or came back, before the write was pushed has left no trace, and others may have written it since.
            let may_be_undone = !rows.contains_key(name) || last.content.is_none() || gave_way.contains(name);
            let undone = !entries.contains(&last.stamp) && may_be_undone;
            let settled = undone || entries.last().is_some_and(|newest| *newest > last.stamp);
            if same_time > 1 || last.stamp == i64::MIN || (settled && schema.table(&name.0).is_entangled) {
                continue;
            }
            assert_eq!(
                rows.get(name),
                last.content.as_ref(),
                "{name:?} at {}, in the log at {entries:?}",
                last.stamp
            );
            foreseen += 1;
        }
        foreseen
    }
}

fn marks(app: &Connection) -> BTreeMap<Name, i64> {
    let sql = "SELECT t.name, d.row_key, max(d.timestamp)
               FROM (SELECT table_id, row_key, timestamp FROM tidelog_dirty_rows
                     UNION ALL SELECT table_id, row_key, timestamp FROM tidelog_insert_buffer) AS d
               JOIN tidelog_tables AS t ON t.id = d.table_id GROUP BY t.name, d.row_key";
    let mut statement = app.prepare_cached(sql).unwrap();
    let marks = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?))).unwrap();
    marks.collect::<Result<_, _>>().unwrap()
}

fn is_in_log(app: &Connection, name: &Name) -> bool {
    known(app, name, "NOT r.deleted AND NOT EXISTS (SELECT 1 FROM tidelog_outbox)")
}

fn is_known(app: &Connection, name: &Name) -> bool {
    known(app, name, "true")
}

fn known(app: &Connection, (table, key): &Name, condition: &str) -> bool {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM tidelog_row_versions AS r JOIN tidelog_tables AS t ON t.id = r.table_id
                        WHERE t.name = ?1 AND r.row_key = ?2 AND {condition})"
    );
    app.prepare_cached(&sql).unwrap().query_row([table, key], |row| row.get(0)).unwrap()
}
