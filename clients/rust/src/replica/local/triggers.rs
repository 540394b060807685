//! The triggers that track changes: they record which rows were written, by any connection, thread or program.
//!
//! A trigger records that a row may have changed and when, not how: the row itself is read when it is sealed. So bulk
//! writes cost little, only the last state of a row is sent, and recording too much does no harm, because unchanged
//! rows are not sent.
//!
//! SQLite runs no delete triggers for rows that `REPLACE` removes (unless `recursive_triggers` is on, which is up to
//! each of the app's connections). That is what the triggers before a write are for: they record rows that the write
//! may replace.
//!
//! The bodies use upserts instead of `INSERT OR …`, because the conflict clause of the app's own statement would
//! override theirs.

use rusqlite::{Connection, OptionalExtension};

use super::table::{Table, UniqueConstraint};
use crate::replica::error::Result;
use crate::replica::metadata::dirty_rows::DirtyKind;
use crate::replica::metadata::schema;
use crate::replica::values::sql::{PREFIX, identifier, literal};

/// Microseconds since 1970, by this machine's clock.
const NOW: &str = "CAST(unixepoch('subsec') * 1000000 AS INTEGER)";

/// Creates the triggers of these tables and drops all others. Triggers that are up to date are left alone: replacing
/// them would make every connection prepare its statements again.
pub(crate) fn create(connection: &Connection, tables: &[Table]) -> Result<()> {
    let triggers: Vec<_> = tables.iter().flat_map(triggers_of).collect();
    for name in schema::list_own(connection, "trigger")? {
        if !triggers.iter().any(|(kept, _)| *kept == name) {
            connection.execute_batch(&format!("DROP TRIGGER {}", identifier(&name)))?;
        }
    }
    for (name, sql) in triggers {
        let find = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = ?1";
        let existing: Option<String> = connection.query_row(find, [&name], |row| row.get(0)).optional()?;
        if existing.as_ref() != Some(&sql) {
            connection.execute_batch(&format!("DROP TRIGGER IF EXISTS {}", identifier(&name)))?;
            connection.execute_batch(&sql)?;
        }
    }
    Ok(())
}

/// Drops the triggers of all tables.
pub(crate) fn drop_all(connection: &Connection) -> Result<()> {
    for name in schema::list_own(connection, "trigger")? {
        connection.execute_batch(&format!("DROP TRIGGER {}", identifier(&name)))?;
    }
    Ok(())
}

/// Whether the triggers are there that record every write. If not, the table was made anew, or somebody dropped them.
pub(super) fn exist(connection: &Connection, table: &Table) -> Result<bool> {
    let sql = "SELECT count(*) = 3 FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE
               AND name IN (?2, ?3, ?4)";
    let [inserted, deleted, updated] =
        ["inserted", "deleted", "updated"].map(|suffix| name_of(table, suffix));
    Ok(connection.query_row(sql, [&table.name, &inserted, &deleted, &updated], |row| row.get(0))?)
}

/// The name and SQL of each trigger of a table.
fn triggers_of(table: &Table) -> Vec<(String, String)> {
    let mut triggers = vec![
        trigger(table, "inserted", "AFTER INSERT", &after_insert(table)),
        trigger(table, "deleted", "AFTER DELETE", &after_delete(table)),
        trigger(table, "updated", "AFTER UPDATE", &after_update(table)),
    ];
    if !table.unique_constraints.is_empty() {
        let before: Vec<_> =
            table.unique_constraints.iter().map(|it| record_replaced_rows(table, it)).collect();
        triggers.push(trigger(table, "inserting", "BEFORE INSERT", &before));
        triggers.push(trigger(table, "updating", "BEFORE UPDATE", &before));
    }
    triggers
}

/// By the table's name: an app that drops them in its migrations has to know them.
fn name_of(table: &Table, suffix: &str) -> String {
    format!("{PREFIX}{}_{suffix}", table.name)
}

fn trigger(table: &Table, suffix: &str, event: &str, body: &[String]) -> (String, String) {
    let name = name_of(table, suffix);
    let sql = format!(
        "CREATE TRIGGER {} {event} ON {} BEGIN {}; END",
        identifier(&name),
        identifier(&table.name),
        body.join("; ")
    );
    (name, sql)
}

/// Inserts often come by the thousand, usually each with a new key. So they are appended to a buffer, which costs
/// about a third less than finding the place of each key in an index. Updates and deletions are not buffered: they
/// tend to hit the same rows again and again, and would pile up.
///
/// If the log already has the row, it was replaced as a whole, and all of its columns are dirty.
fn after_insert(table: &Table) -> Vec<String> {
    let mut body = vec![format!(
        "INSERT INTO tidelog_insert_buffer (table_id, row_key, timestamp) \
         SELECT {}, {}, max(timestamp + 1, {NOW}) FROM tidelog_clock WHERE NOT applying",
        table.id,
        table.key_sql_to_store("NEW.")
    )];
    if table.rule.is_by_column() {
        let (id, key) = (table.id, table.key_sql("NEW."));
        let names = serde_json::to_string(&table.columns).unwrap_or_default();
        body.push(format!(
            "INSERT INTO tidelog_dirty_columns (table_id, row_key, name, timestamp) \
             SELECT {id}, {key}, n.value, max(c.timestamp + 1, {NOW}) \
             FROM tidelog_clock AS c, json_each({}) AS n WHERE NOT c.applying AND EXISTS \
             (SELECT 1 FROM tidelog_row_versions WHERE table_id = {id} AND row_key = {key}) \
             ON CONFLICT (table_id, row_key, name) DO UPDATE SET timestamp = excluded.timestamp",
            literal(&names)
        ));
    }
    body
}

fn after_delete(table: &Table) -> Vec<String> {
    let mut body = vec![record_row(table, "OLD.", DirtyKind::Deleted, "true")];
    if table.may_be_restored {
        body.push(record_tombstone(table));
    }
    body
}

fn after_update(table: &Table) -> Vec<String> {
    let key_differs = format!("{} IS NOT {}", table.key_sql("OLD."), table.key_sql("NEW."));
    let mut body = vec![
        record_row(table, "OLD.", DirtyKind::Deleted, &key_differs),
        record_row(table, "NEW.", DirtyKind::Written, "true"),
    ];
    if table.rule.is_by_column() {
        body.extend(table.columns.iter().map(|column| record_column(table, column)));
    }
    body
}

/// Records that a row was written; a newer record replaces an older one.
fn record_row(table: &Table, prefix: &str, kind: DirtyKind, condition: &str) -> String {
    format!(
        "INSERT INTO tidelog_dirty_rows (table_id, row_key, timestamp, kind) \
         SELECT {}, {}, max(timestamp + 1, {NOW}), {} FROM tidelog_clock WHERE NOT applying AND {condition} \
         ON CONFLICT (table_id, row_key) DO UPDATE SET timestamp = excluded.timestamp, kind = excluded.kind",
        table.id,
        table.key_sql_to_store(prefix),
        kind.code()
    )
}

/// Records a column if its value has changed.
fn record_column(table: &Table, column: &str) -> String {
    let name = identifier(column);
    format!(
        "INSERT INTO tidelog_dirty_columns (table_id, row_key, name, timestamp) \
         SELECT {}, {}, {}, max(timestamp + 1, {NOW}) FROM tidelog_clock WHERE NOT applying \
         AND (OLD.{name} IS NOT NEW.{name} COLLATE BINARY OR typeof(OLD.{name}) <> typeof(NEW.{name})) \
         ON CONFLICT (table_id, row_key, name) DO UPDATE SET timestamp = excluded.timestamp",
        table.id,
        table.key_sql("NEW."),
        literal(column)
    )
}

/// Records the contents of a deleted row, until its deletion is in the log.
fn record_tombstone(table: &Table) -> String {
    let names = serde_json::to_string(&table.columns).unwrap_or_default();
    let cells: Vec<_> = table.columns.iter().map(|name| format!("quote(OLD.{})", identifier(name))).collect();
    format!(
        "INSERT INTO tidelog_tombstones (table_id, row_key, columns, cells) \
         SELECT {}, {}, {}, {} FROM tidelog_clock WHERE NOT applying \
         ON CONFLICT (table_id, row_key) DO UPDATE SET columns = excluded.columns, cells = excluded.cells",
        table.id,
        table.key_sql("OLD."),
        literal(&names),
        joined(&cells)
    )
}

/// Records rows that a write may replace, because they have its values in a unique constraint.
fn record_replaced_rows(table: &Table, constraint: &UniqueConstraint) -> String {
    let name = identifier(&table.name);
    format!(
        "INSERT INTO tidelog_dirty_rows (table_id, row_key, timestamp, kind) \
         SELECT {}, {}, (SELECT max(timestamp + 1, {NOW}) FROM tidelog_clock), {} FROM {name} \
         WHERE NOT (SELECT applying FROM tidelog_clock) AND {} ON CONFLICT (table_id, row_key) DO NOTHING",
        table.id,
        table.key_sql(&format!("{name}.")),
        DirtyKind::MaybeReplaced.code(),
        constraint.condition(&table.name, |column| format!("NEW.{column}"))
    )
}

/// Joins SQL expressions by commas. As a tree: SQLite limits how deep an expression may be, and a table may have two
/// thousand columns.
fn joined(parts: &[String]) -> String {
    match parts {
        [] => String::from("''"),
        [part] => part.clone(),
        _ => {
            let (first, second) = parts.split_at(parts.len() / 2);
            format!("({} || ',' || {})", joined(first), joined(second))
        }
    }
}
