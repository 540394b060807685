//! Finds dangling references: rows whose foreign key refers to a row that does not exist.

use rusqlite::{Connection, params_from_iter};

use crate::replica::error::Result;
use crate::replica::local::app_rows;
use crate::replica::local::table::{ForeignKey, Table};
use crate::replica::values::cell::Cell;
use crate::replica::values::row::Row;
use crate::replica::values::row_key::RowKey;
use crate::replica::values::sql::identifier;

/// A reference that may dangle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The index of the referring table.
    pub(super) table: usize,
    /// The referring row.
    pub(super) key: RowKey,
    /// The index of the foreign key in the referring table.
    pub(super) foreign_key: usize,
}

/// The dangling references of one row.
pub(super) fn dangling_from(
    connection: &Connection,
    tables: &[Table],
    table: usize,
    key: &RowKey,
) -> Result<Vec<Reference>> {
    let Some(row) = app_rows::read(connection, &tables[table], key)? else { return Ok(Vec::new()) };
    let mut references = Vec::new();
    for (index, foreign_key) in tables[table].foreign_keys.iter().enumerate() {
        if let Some(cells) = referring_cells(foreign_key, &row)
            && !parent_exists(connection, tables, foreign_key, &cells)?
        {
            references.push(Reference { table, key: key.clone(), foreign_key: index });
        }
    }
    Ok(references)
}

/// All references to one row, given by its contents.
pub(super) fn references_to(
    connection: &Connection,
    tables: &[Table],
    parent: usize,
    row: &Row,
) -> Result<Vec<Reference>> {
    let mut references = Vec::new();
    for (table, foreign_key, index) in all_foreign_keys(tables) {
        if foreign_key.parent != parent {
            continue;
        }
        let cells: Option<Vec<_>> = foreign_key.columns.iter().map(|(_, to)| row.get(to)).collect();
        let Some(cells) = cells else { continue };
        let child = identifier(&tables[table].name);
        let equals = |(from, _): &(String, String)| format!("{child}.{} = ?", identifier(from));
        let condition: Vec<_> = foreign_key.columns.iter().map(equals).collect();
        let keys = keys_where(connection, &tables[table], &condition.join(" AND "), &cells)?;
        references.extend(keys.into_iter().map(|key| Reference { table, key, foreign_key: index }));
    }
    Ok(references)
}

/// All dangling references of all tables.
pub(super) fn all_dangling(connection: &Connection, tables: &[Table]) -> Result<Vec<Reference>> {
    let mut references = Vec::new();
    for (table, foreign_key, index) in all_foreign_keys(tables) {
        let child = identifier(&tables[table].name);
        let is_set = |(from, _): &(String, String)| format!("{child}.{} IS NOT NULL", identifier(from));
        let equals = |(from, to): &(String, String)| {
            format!("tidelog_parent.{} = {child}.{}", identifier(to), identifier(from))
        };
        let condition = format!(
            "{} AND NOT EXISTS (SELECT 1 FROM {} AS tidelog_parent WHERE {})",
            foreign_key.columns.iter().map(is_set).collect::<Vec<_>>().join(" AND "),
            identifier(&tables[foreign_key.parent].name),
            foreign_key.columns.iter().map(equals).collect::<Vec<_>>().join(" AND ")
        );
        let keys = keys_where(connection, &tables[table], &condition, &[])?;
        references.extend(keys.into_iter().map(|key| Reference { table, key, foreign_key: index }));
    }
    Ok(references)
}

/// The values of a foreign key; `None` if one of them is `NULL`, so that it refers to nothing.
pub(super) fn referring_cells<'r>(foreign_key: &ForeignKey, row: &'r Row) -> Option<Vec<&'r Cell>> {
    let cells: Option<Vec<_>> = foreign_key.columns.iter().map(|(from, _)| row.get(from)).collect();
    cells.filter(|cells| !cells.contains(&&Cell::Null))
}

/// Whether a row exists that these values refer to.
pub(super) fn parent_exists(
    connection: &Connection,
    tables: &[Table],
    foreign_key: &ForeignKey,
    cells: &[&Cell],
) -> Result<bool> {
    let equals = |(_, to): &(String, String)| format!("t.{} = ?", identifier(to));
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM {} AS t WHERE {})",
        identifier(&tables[foreign_key.parent].name),
        foreign_key.columns.iter().map(equals).collect::<Vec<_>>().join(" AND ")
    );
    Ok(connection.prepare_cached(&sql)?.query_row(params_from_iter(cells), |row| row.get(0))?)
}

/// The primary key of the row that these values refer to; `None` if the foreign key refers to other columns.
pub(super) fn parent_key(
    connection: &Connection,
    tables: &[Table],
    foreign_key: &ForeignKey,
    cells: &[&Cell],
) -> Result<Option<RowKey>> {
    let cell_of = |column: &String| {
        let index = foreign_key.columns.iter().position(|(_, to)| to == column)?;
        cells.get(index).copied()
    };
    let key: Option<Vec<_>> = tables[foreign_key.parent].key.iter().map(cell_of).collect();
    let Some(key) = key.filter(|key| key.len() == foreign_key.columns.len()) else { return Ok(None) };
    let literals = vec!["quote(?)"; key.len()].join(" || ',' || ");
    let mut statement = connection.prepare_cached(&format!("SELECT {literals}"))?;
    Ok(Some(statement.query_row(params_from_iter(key), |row| row.get(0))?))
}

/// Each foreign key, between the index of its table and its own index there.
fn all_foreign_keys(tables: &[Table]) -> impl Iterator<Item = (usize, &ForeignKey, usize)> {
    tables.iter().enumerate().flat_map(|(table, it)| {
        it.foreign_keys.iter().enumerate().map(move |(index, foreign_key)| (table, foreign_key, index))
    })
}

fn keys_where(
    connection: &Connection,
    table: &Table,
    condition: &str,
    cells: &[&Cell],
) -> Result<Vec<RowKey>> {
    let name = identifier(&table.name);
    let sql = format!("SELECT {} FROM {name} WHERE {condition}", table.key_sql(&format!("{name}.")));
    let mut statement = connection.prepare_cached(&sql)?;
    let keys = statement.query_map(params_from_iter(cells), |row| row.get(0))?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}
