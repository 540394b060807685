//! What a table already contains when it is attached: rows from before the first attach, rows that were written while
//! the table was not attached, and columns that came with a new version of the app.

use std::collections::HashSet;

use rusqlite::Connection;

use super::app_rows;
use super::defaults;
use super::rejection::{Rejections, WriteOutcome};
use super::table::Table;
use crate::replica::error::Result;
use crate::replica::metadata::clock::set_applying;
use crate::replica::metadata::dirty_rows::{self, DirtyKind};
use crate::replica::metadata::row_versions::{self, is_unchanged};
use crate::replica::metadata::state::ReplicaState;
use crate::replica::metadata::{dirty_columns, problems, synced_tables};
use crate::replica::values::row;
use crate::replica::values::row_key::RowKey;
use crate::replica::values::sql::identifier;

/// Makes the rows dirty that differ from the log.
///
/// Rows that the log does not have count as older than anything in the log. Of rows that have changed since their
/// newest log entry, the time of the change is unknown: they count as later than that entry, but as earlier than
/// anything written since.
pub(crate) fn find_changes(connection: &Connection, table: &Table) -> Result<()> {
    let in_log = row_versions::list_existing(connection, table.id)?;
    let sql = format!(
        "INSERT INTO tidelog_dirty_rows (table_id, row_key, timestamp, kind) SELECT ?1, {key}, 0, 0 FROM {name} AS t \
         WHERE NOT EXISTS (SELECT 1 FROM tidelog_row_versions WHERE table_id = ?1 AND row_key = {key}) \
         ON CONFLICT (table_id, row_key) DO NOTHING",
        key = table.key_sql("t."),
        name = identifier(&table.name)
    );
    connection.execute(&sql, [table.id])?;
    for key in in_log {
        let version = row_versions::find(connection, table.id, &key)?;
        let local = app_rows::read(connection, table, &key)?;
        if is_unchanged(version.as_ref(), local.as_ref())
            || dirty_rows::find(connection, table.id, &key)?.is_some()
        {
            continue;
        }
        let timestamp = version.map_or(0, |version| version.timestamp + 1);
        let kind = if local.is_some() { DirtyKind::Written } else { DirtyKind::Deleted };
        dirty_rows::put(connection, table.id, &key, timestamp, kind)?;
    }
    Ok(())
}

/// Makes the rows dirty again that could not be pushed: the limits may be others now.
pub(crate) fn retry_unpushed(connection: &Connection, table: &Table) -> Result<()> {
    for (key, timestamp) in problems::list_unpushed(connection, &table.wire_name)? {
        if dirty_rows::find(connection, table.id, &key)?.is_none() {
            dirty_rows::put(connection, table.id, &key, timestamp, DirtyKind::Written)?;
        }
    }
    Ok(())
}

/// Whether so many of the rows that the log has are missing that the table was rather made anew than changed. Then
/// nothing is known of deletions, and the rows are still wanted.
pub(crate) fn was_made_anew(connection: &Connection, table: &Table) -> Result<bool> {
    let in_log = "FROM tidelog_row_versions WHERE table_id = ?1 AND NOT deleted AND digest IS NOT NULL";
    // From the app's rows to the log's, and not the other way round: only the log's keys have an index.
    let sql = format!(
        "SELECT (SELECT count(*) {in_log}),
             (SELECT count(*) FROM {} AS t WHERE EXISTS (SELECT 1 {in_log} AND row_key = {}))",
        identifier(&table.name),
        table.key_sql("t."),
    );
    let (in_log, left): (i64, i64) =
        connection.query_row(&sql, [table.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(left * 2 < in_log)
}

/// Makes the rows of a table count as if it was attached for the first time.
pub(crate) fn forget_log(connection: &Connection, table: &Table) -> Result<()> {
    row_versions::remove_all(connection, table.id)?;
    dirty_rows::remove_all(connection, table.id)
}

/// Notes the columns of a table. Columns that it did not have before are filled with the values that other devices have
/// written; where there are none, the values here are new, and are sent.
pub(crate) fn adopt_columns(connection: &Connection, table: &Table) -> Result<()> {
    let before = synced_tables::columns(connection, table.id)?;
    if before == table.columns {
        return Ok(());
    }
    synced_tables::set_columns(connection, table.id, &table.columns)?;
    if before.is_empty() {
        return Ok(());
    }
    let is_new = |name: &&String| !before.iter().any(|known| known.eq_ignore_ascii_case(name));
    let added: Vec<_> = table.columns.iter().filter(is_new).collect();
    let generation = ReplicaState::load(connection)?.generation;
    set_applying(connection, true)?;
    let filled: HashSet<_> =
        row_versions::list_with_extra_columns(connection, table.id)?.into_iter().collect();
    for key in &filled {
        fill_row(connection, table, key, generation)?;
    }
    set_applying(connection, false)?;
    for column in added {
        mark_new_values(connection, table, column, &filled)?;
    }
    Ok(())
}

/// Makes the rows dirty that have a value of their own in a new column: it was renamed, or a migration has filled it.
fn mark_new_values(
    connection: &Connection,
    table: &Table,
    column: &str,
    filled: &HashSet<RowKey>,
) -> Result<()> {
    let default = defaults::find(connection, table, column)?;
    let sql = format!(
        "SELECT {} FROM {} AS t WHERE t.{} IS NOT ?1",
        table.key_sql("t."),
        identifier(&table.name),
        identifier(column)
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([default])?;
    while let Some(found) = rows.next()? {
        let key: RowKey = found.get(0)?;
        let Some(version) = row_versions::find(connection, table.id, &key)? else { continue };
        let dirty = dirty_rows::find(connection, table.id, &key)?;
        let local = app_rows::read(connection, table, &key)?;
        if version.deleted
            || (dirty.is_none() && filled.contains(&key) && is_unchanged(Some(&version), local.as_ref()))
        {
            continue;
        }
        let timestamp = dirty.unwrap_or(version.timestamp + 1);
        if dirty.is_none() {
            dirty_rows::put(connection, table.id, &key, timestamp, DirtyKind::Written)?;
        }
        if table.rule.is_by_column() {
            dirty_columns::put(connection, table.id, &key, column, timestamp)?;
        }
    }
    Ok(())
}

fn fill_row(connection: &Connection, table: &Table, key: &RowKey, generation: i64) -> Result<()> {
    let Some(mut version) = row_versions::find(connection, table.id, key)? else { return Ok(()) };
    let Some(mut row) = app_rows::read(connection, table, key)? else { return Ok(()) };
    let (new_columns, extra_columns) =
        app_rows::split_columns(table, std::mem::take(&mut version.extra_columns));
    version.extra_columns = extra_columns;
    let is_dirty = dirty_rows::find(connection, table.id, key)?.is_some();
    for (column, cell) in new_columns {
        // A renamed column may hold what was written here and not sent yet.
        if !is_dirty || row.get(&column) == Some(&defaults::find(connection, table, &column)?) {
            row.insert(column, cell);
        }
    }
    if app_rows::write(connection, table, key, &row, &Rejections::default())? == WriteOutcome::Written
        && !is_dirty
    {
        version.digest = Some(row::digest(&row));
    }
    row_versions::put(connection, table.id, key, &version, generation)
}
