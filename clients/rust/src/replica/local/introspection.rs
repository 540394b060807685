//! Reads the tables that sync from the app's schema.

use rusqlite::{Connection, OptionalExtension};

use super::dependencies;
use super::synced_table::SyncedTable;
use super::table::{ForeignKey, OnDelete, Table, UniqueConstraint};
use crate::replica::error::{ReplicaError, Result, TableFault};
use crate::replica::metadata::synced_tables;
use crate::replica::values::sql::{is_reserved, words};

/// What was found of the tables that an app wants to sync.
pub(super) struct Description {
    /// Those that can be synced, in the given order.
    pub(super) tables: Vec<Table>,
    /// The others, by their names on the wire, and why: always [`ReplicaError::Table`].
    pub(super) left_out: Vec<(String, ReplicaError)>,
}

/// Describes the tables.
pub(super) fn describe_tables(connection: &Connection, requested: &[SyncedTable]) -> Result<Description> {
    let (mut tables, mut left_out): (Vec<Table>, Vec<_>) = (Vec::with_capacity(requested.len()), Vec::new());
    for one in requested {
        let described = describe_table(connection, one).and_then(|table| {
            let is_same = |other: &Table| {
                other.name == table.name || other.wire_name.eq_ignore_ascii_case(&table.wire_name)
            };
            if tables.iter().any(is_same) {
                return Err(fault(&table.name, TableFault::Duplicate));
            }
            synced_tables::check_key(connection, &table.name, &table.key)?;
            Ok(table)
        });
        match described {
            Ok(table) => tables.push(table),
            Err(error @ ReplicaError::Table { .. }) => {
                left_out.push((one.wire_name.as_ref().unwrap_or(&one.name).clone(), error));
            }
            Err(error) => return Err(error),
        }
    }
    for index in 0..tables.len() {
        tables[index].foreign_keys = foreign_keys(connection, &tables, index)?;
    }
    dependencies::find_restorable_tables(&mut tables);
    dependencies::rank_tables(&mut tables);
    Ok(Description { tables, left_out })
}

fn describe_table(connection: &Connection, requested: &SyncedTable) -> Result<Table> {
    let found: Option<(String, String)> = connection
        .query_row(
            "SELECT name, type FROM pragma_table_list(?1) WHERE schema = 'main'",
            [&requested.name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((name, kind)) = found else { return Err(fault(&requested.name, TableFault::Missing)) };
    if kind != "table" || is_reserved(&name) {
        return Err(fault(&name, TableFault::NotATable));
    }
    let wire_name = requested.wire_name.clone().unwrap_or_else(|| name.clone());
    tidelog_protocol::rules::check_table(&wire_name)
        .map_err(|reason| fault(&name, TableFault::WireName(reason)))?;
    let (columns, key) = columns_and_key(connection, &name)?;
    if key.is_empty() {
        return Err(fault(&name, TableFault::NoPrimaryKey));
    }
    let has_triggers = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE
                        AND name NOT LIKE 'tidelog\\_%' ESCAPE '\\')",
        [&name],
        |row| row.get(0),
    )?;
    // Too often is harmless: also where a comment or a foreign key says it.
    let has_conflict_clauses = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE
                        AND sql LIKE '%conflict%')",
        [&name],
        |row| row.get(0),
    )?;
    // Any primary key other than the rowid has an index.
    let key_is_rowid = connection.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk')",
        [&name],
        |row| row.get(0),
    )?;
    Ok(Table {
        id: 0,
        key_is_rowid,
        unique_constraints: unique_constraints(connection, &name)?,
        name,
        wire_name,
        columns,
        key,
        foreign_keys: Vec::new(),
        rank: 0,
        may_be_restored: false,
        has_triggers,
        has_conflict_clauses,
        rule: requested.rule.clone(),
    })
}

/// The columns that store data, and those of the primary key.
fn columns_and_key(connection: &Connection, table: &str) -> Result<(Vec<String>, Vec<String>)> {
    let mut statement =
        connection.prepare("SELECT name, pk FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid")?;
    let rows = statement.query_map([table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    let columns = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut key: Vec<_> = columns.iter().filter(|(_, position)| *position > 0).collect();
    key.sort_by_key(|(_, position)| *position);
    let key = key.into_iter().map(|(name, _)| name.clone()).collect();
    Ok((columns.into_iter().map(|(name, _)| name).collect(), key))
}

fn unique_constraints(connection: &Connection, table: &str) -> Result<Vec<UniqueConstraint>> {
    let mut statement = connection
        .prepare("SELECT name, origin, partial FROM pragma_index_list(?1) WHERE \"unique\" ORDER BY seq")?;
    let indexes = statement
        .query_map([table], |row| Ok((row.get(0)?, row.get::<_, String>(1)? == "pk", row.get(2)?)))?
        .collect::<rusqlite::Result<Vec<(String, bool, bool)>>>()?;
    let mut constraints = Vec::new();
    for (index, is_primary_key, is_partial) in indexes {
        let mut statement = connection
            .prepare_cached("SELECT name, coll FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno")?;
        let columns = statement
            .query_map([&index], |row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, String>(1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        if is_primary_key && columns.iter().all(|(_, collation)| collation.eq_ignore_ascii_case("BINARY")) {
            continue;
        }
        // An expression has no name.
        let columns: Option<Vec<_>> =
            columns.into_iter().map(|(name, collation)| Some((name?, collation))).collect();
        let columns = columns.ok_or_else(|| fault(table, TableFault::UniqueExpression(index.clone())))?;
        let predicate = if is_partial { Some(predicate_of(connection, &index)?) } else { None };
        constraints.push(UniqueConstraint { columns, predicate });
    }
    Ok(constraints)
}

/// What follows `WHERE` in the SQL of a partial index.
fn predicate_of(connection: &Connection, index: &str) -> Result<String> {
    let find = "SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?1";
    let sql: String = connection.query_row(find, [index], |row| row.get(0))?;
    // The condition is the last part of the statement, and nothing else at its level is called so.
    let predicate = words(&sql).find(|word| word.depth == 0 && word.text.eq_ignore_ascii_case("where"));
    Ok(predicate.map_or("true", |word| &sql[word.end..]).to_owned())
}

/// The foreign keys of one table to those that sync.
fn foreign_keys(connection: &Connection, tables: &[Table], index: usize) -> Result<Vec<ForeignKey>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, \"table\", \"from\", \"to\", on_delete, seq FROM pragma_foreign_key_list(?1) ORDER BY id, seq",
    )?;
    let mut rows = statement.query([&tables[index].name])?;
    let mut foreign_keys: Vec<(i64, ForeignKey)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, parent, from): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let is_parent = |table: &Table| table.name.to_lowercase() == parent.to_lowercase();
        let Some(parent) = tables.iter().position(is_parent) else { continue };
        // A foreign key that names no columns references the primary key.
        let to = match row.get(3)? {
            Some(to) => Some(to),
            None => tables[parent].key.get(row.get::<_, usize>(5)?).cloned(),
        };
        let Some(to) = to else { continue };
        match foreign_keys.last_mut().filter(|(last, _)| *last == id) {
            Some((_, foreign_key)) => foreign_key.columns.push((from, to)),
            None => {
                let on_delete = OnDelete::parse(&row.get::<_, String>(4)?);
                foreign_keys.push((id, ForeignKey { parent, columns: vec![(from, to)], on_delete }));
            }
        }
    }
    Ok(foreign_keys.into_iter().map(|(_, foreign_key)| foreign_key).collect())
}

fn fault(table: &str, fault: TableFault) -> ReplicaError {
    ReplicaError::Table { table: table.to_owned(), fault }
}
