//! The triggers that note which rows were written, by whatever connection, thread or program.
//!
//! A mark says that a row may have changed and when, not how: the row itself is read when it is sealed. So bulk writes cost
//! little, only the last state of a row travels, and a mark too many does no harm, since a row that is as it was is not sent.
//!
//! SQLite runs no delete triggers for rows that `REPLACE` removes (unless `recursive_triggers` is on, which is up to each of the
//! app's connections). Hence the triggers before a write: they mark rows that stand in the way of it as perhaps gone.
//!
//! Upserts instead of `INSERT OR …` in their bodies: there, the conflict clause of the app's own statement would overrule theirs.

use super::table::{Table, Unique};
use crate::replica::error::Result;
use crate::replica::metadata::dirty_rows::Kind;
use crate::replica::metadata::schema;
use crate::replica::values::sql::{identifier, literal};
use rusqlite::{Connection, OptionalExtension};

/// Microseconds since 1970, by the clock of this machine.
const NOW: &str = "CAST(unixepoch('subsec') * 1000000 AS INTEGER)";

/// Makes the triggers what they should be. Those that are so already stay: replacing them would make every connection prepare
/// its statements again.
pub(crate) fn create(connection: &Connection, tables: &[Table]) -> Result<()> {
    let wanted: Vec<_> = tables.iter().flat_map(of).collect();
    for name in schema::own("trigger", connection)? {
        if !wanted.iter().any(|(kept, _)| *kept == name) {
            connection.execute_batch(&format!("DROP TRIGGER {}", identifier(&name)))?;
        }
    }
    for (name, sql) in wanted {
        let find = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = ?1";
        let found: Option<String> = connection.query_row(find, [&name], |row| row.get(0)).optional()?;
        if found.as_ref() == Some(&sql) {
            continue;
        }
        connection.execute_batch(&format!("DROP TRIGGER IF EXISTS {}", identifier(&name)))?;
        connection.execute_batch(&sql)?;
    }
    Ok(())
}

/// Name and SQL of each trigger of a table.
pub(crate) fn of(table: &Table) -> Vec<(String, String)> {
    let mut triggers = vec![
        trigger(table, "inserted", "AFTER INSERT", &inserted(table)),
        trigger(table, "deleted", "AFTER DELETE", &deleted(table)),
        trigger(table, "updated", "AFTER UPDATE", &updated(table)),
    ];
    if !table.uniques.is_empty() {
        let probes: Vec<_> = table.uniques.iter().map(|unique| probe(table, unique)).collect();
        triggers.push(trigger(table, "inserting", "BEFORE INSERT", &probes));
        triggers.push(trigger(table, "updating", "BEFORE UPDATE", &probes));
    }
    triggers
}

fn trigger(table: &Table, what: &str, when: &str, body: &[String]) -> (String, String) {
    let name = format!("tidelog_{}_{what}", table.no);
    let sql = format!(
        "CREATE TRIGGER {} {when} ON {} BEGIN {}; END",
        identifier(&name),
        identifier(&table.name),
        body.join("; ")
    );
    (name, sql)
}

/// Marks a row; of several marks the newest one counts.
fn mark(table: &Table, prefix: &str, kind: Kind) -> String {
    mark_if(table, prefix, kind, "true")
}

fn mark_if(table: &Table, prefix: &str, kind: Kind, condition: &str) -> String {
    format!(
        "INSERT INTO tidelog_marks (tbl, row, stamp, kind) \
         SELECT {}, {}, max(stamp + 1, {NOW}), {} FROM tidelog_clock WHERE NOT applying AND {condition} \
         ON CONFLICT (tbl, row) DO UPDATE SET stamp = excluded.stamp, kind = excluded.kind",
        table.no,
        table.key_to_store(prefix),
        kind.code()
    )
}

/// Inserts come by the thousand, and each has a key of its own as a rule. So they are appended, which costs about a third less
/// than finding each one's place among the marks; updates and deletions come again and again for the same rows, and would pile up.
///
/// A row that is in the log already was replaced as a whole, each of its columns.
fn inserted(table: &Table) -> Vec<String> {
    let mut body = vec![format!(
        "INSERT INTO tidelog_inserts (tbl, row, stamp) \
         SELECT {}, {}, max(stamp + 1, {NOW}) FROM tidelog_clock WHERE NOT applying",
        table.no,
        table.key_to_store("NEW.")
    )];
    if table.rule.is_by_column() {
        let (no, key) = (table.no, table.key_sql("NEW."));
        let names = serde_json::to_string(&table.columns).unwrap_or_default();
        body.push(format!(
            "INSERT INTO tidelog_column_marks (tbl, row, name, stamp) \
             SELECT {no}, {key}, n.value, max(c.stamp + 1, {NOW}) FROM tidelog_clock AS c, json_each({}) AS n \
             WHERE NOT c.applying AND EXISTS (SELECT 1 FROM tidelog_rows WHERE tbl = {no} AND row = {key}) \
             ON CONFLICT (tbl, row, name) DO UPDATE SET stamp = excluded.stamp",
            literal(&names)
        ));
    }
    body
}

fn deleted(table: &Table) -> Vec<String> {
    let mut body = vec![mark(table, "OLD.", Kind::Deleted)];
    if table.may_return {
        body.push(keep_last_value(table));
    }
    body
}

/// Keeps what a deleted row held, until its deletion is in the log.
fn keep_last_value(table: &Table) -> String {
    let names = serde_json::to_string(&table.columns).unwrap_or_default();
    let cells: Vec<_> = table.columns.iter().map(|name| format!("quote(OLD.{})", identifier(name))).collect();
    format!(
        "INSERT INTO tidelog_graves (tbl, row, names, cells) SELECT {}, {}, {}, {} FROM tidelog_clock WHERE NOT applying \
         ON CONFLICT (tbl, row) DO UPDATE SET names = excluded.names, cells = excluded.cells",
        table.no,
        table.key_sql("OLD."),
        literal(&names),
        cells.join(" || ',' || ")
    )
}

fn updated(table: &Table) -> Vec<String> {
    let key_differs = format!("{} IS NOT {}", table.key_sql("OLD."), table.key_sql("NEW."));
    let mut body =
        vec![mark_if(table, "OLD.", Kind::Deleted, &key_differs), mark(table, "NEW.", Kind::Written)];
    if table.rule.is_by_column() {
        body.extend(table.columns.iter().map(|column| mark_column(table, column)));
    }
    body
}

/// Marks a column whose value is another one than before.
fn mark_column(table: &Table, column: &str) -> String {
    let name = identifier(column);
    format!(
        "INSERT INTO tidelog_column_marks (tbl, row, name, stamp) \
         SELECT {}, {}, {}, max(stamp + 1, {NOW}) FROM tidelog_clock \
         WHERE NOT applying AND (OLD.{name} IS NOT NEW.{name} COLLATE BINARY OR typeof(OLD.{name}) <> typeof(NEW.{name})) \
         ON CONFLICT (tbl, row, name) DO UPDATE SET stamp = excluded.stamp",
        table.no,
        table.key_sql("NEW."),
        literal(column)
    )
}

/// Marks rows that have what is about to be written where it must be unique.
fn probe(table: &Table, unique: &Unique) -> String {
    let same = |(column, collation): &(String, String)| {
        let name = identifier(column);
        format!("t.{name} = NEW.{name} COLLATE {}", identifier(collation))
    };
    format!(
        "INSERT INTO tidelog_marks (tbl, row, stamp, kind) \
         SELECT {}, {}, max(c.stamp + 1, {NOW}), {} FROM {} AS t, tidelog_clock AS c WHERE NOT c.applying AND {} \
         ON CONFLICT (tbl, row) DO NOTHING",
        table.no,
        table.key_sql("t."),
        Kind::PerhapsGone.code(),
        identifier(&table.name),
        unique.0.iter().map(same).collect::<Vec<_>>().join(" AND ")
    )
}
