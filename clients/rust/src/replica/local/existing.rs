//! What is in a table already when it is attached: rows from before, rows that were written while nobody looked, and columns
//! that have come with a new version of the app.

use rusqlite::{Connection, params};

use super::app_rows as content;
use super::table::Table;
use crate::replica::error::Result;
use crate::replica::metadata::clock::set_applying;
use crate::replica::metadata::dirty_rows::{self as marks, Kind};
use crate::replica::metadata::row_versions::{self as rows, is_unchanged};
use crate::replica::metadata::state::State;
use crate::replica::values::row;
use crate::replica::values::row_key::RowKey;
use crate::replica::values::sql::identifier;

/// Marks what the log does not have.
///
/// Rows from before the first attach count as older than anything in the log. Of rows that are in the log and have changed, only
/// that is known: they count as later than their entry, and as earlier than whatever else was written since.
pub(crate) fn mark(connection: &Connection, table: &Table) -> Result<()> {
    let alive = rows::list_alive(connection, table.no)?;
    let sql = format!(
        "INSERT INTO tidelog_marks (tbl, row, stamp, kind) SELECT ?1, {key}, 0, 0 FROM {name} \
         WHERE NOT EXISTS (SELECT 1 FROM tidelog_rows WHERE tbl = ?1 AND row = {key}) \
         ON CONFLICT (tbl, row) DO NOTHING",
        key = table.key_sql(""),
        name = identifier(&table.name)
    );
    connection.execute(&sql, [table.no])?;
    for key in alive {
        mark_if_changed(connection, table, &key)?;
    }
    Ok(())
}

fn mark_if_changed(connection: &Connection, table: &Table, key: &RowKey) -> Result<()> {
    let known = rows::find(connection, table.no, key)?;
    let local = content::read(connection, table, key)?;
    if is_unchanged(known.as_ref(), local.as_ref()) || marks::find(connection, table.no, key)?.is_some() {
        return Ok(());
    }
    let stamp = known.map_or(0, |known| known.stamp + 1);
    let kind = if local.is_some() { Kind::Written } else { Kind::Deleted };
    marks::put(connection, table.no, key, stamp, kind)
}

/// Fills columns that the app has now with what other devices have written into them.
pub(crate) fn adopt_columns(connection: &Connection, table: &Table) -> Result<()> {
    let now = serde_json::to_string(&table.columns).unwrap_or_default();
    let find = "SELECT columns FROM tidelog_tables WHERE no = ?1";
    let before: String = connection.query_row(find, [table.no], |row| row.get(0))?;
    if before == now {
        return Ok(());
    }
    connection.execute("UPDATE tidelog_tables SET columns = ?2 WHERE no = ?1", params![table.no, now])?;
    let find = "SELECT row FROM tidelog_rows WHERE tbl = ?1 AND extra IS NOT NULL AND NOT deleted";
    let mut statement = connection.prepare(find)?;
    let keys =
        statement.query_map([table.no], |row| row.get(0))?.collect::<rusqlite::Result<Vec<RowKey>>>()?;
    let pass = State::load(connection)?.pass;
    set_applying(connection, true)?;
    for key in keys {
        fill(connection, table, &key, pass)?;
    }
    set_applying(connection, false)
}

fn fill(connection: &Connection, table: &Table, key: &RowKey, pass: i64) -> Result<()> {
    let Some(mut known) = rows::find(connection, table.no, key)? else { return Ok(()) };
    let Some(mut row) = content::read(connection, table, key)? else { return Ok(()) };
    let (filled, extra) = content::split(table, std::mem::take(&mut known.extra));
    known.extra = extra;
    row.extend(filled);
    if content::write(connection, table, key, &row)?.is_ok()
        && marks::find(connection, table.no, key)?.is_none()
    {
        known.digest = Some(row::digest(&row));
    }
    rows::put(connection, table.no, key, &known, pass)
}
