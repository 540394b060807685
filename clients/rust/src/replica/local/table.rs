//! The tables that sync, as the app's schema describes them.

use rusqlite::{Connection, OptionalExtension};

use crate::replica::error::{ReplicaError, TableFault};
use crate::replica::rule::Rule;
use crate::replica::values::sql::{identifier, is_reserved};

/// A table to sync, and how its conflicts are settled. A name alone is a table whose rows are settled as a whole.
#[derive(Clone, Debug)]
pub struct SyncedTable {
    pub(crate) name: String,
    pub(crate) wire_name: Option<String>,
    pub(crate) rule: Rule,
}

impl SyncedTable {
    /// The table of this name in the app's database.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), wire_name: None, rule: Rule::default() }
    }

    /// Settles conflicts by this rule.
    #[must_use]
    pub fn settled_by(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    /// Travels under this name: 1 to 100 of `[A-Za-z0-9_]`, the same on all devices. Needed where the table's own name has other
    /// characters.
    #[must_use]
    pub fn known_as(mut self, wire_name: impl Into<String>) -> Self {
        self.wire_name = Some(wire_name.into());
        self
    }
}

impl<T: Into<String>> From<T> for SyncedTable {
    fn from(name: T) -> Self {
        Self::new(name)
    }
}

/// A table as it is in the app's database.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// What the replica's own tables call it.
    pub(crate) no: i64,
    pub(crate) name: String,
    pub(crate) wire_name: String,
    /// Columns that hold data, in their order; generated ones do not.
    pub(crate) columns: Vec<String>,
    /// Columns of the primary key, in the key's order.
    pub(crate) key: Vec<String>,
    /// Whether the key is the row's number in SQLite: one column that holds integers and nothing else.
    pub(crate) key_is_rowid: bool,
    /// Other sets of columns that must be unique.
    pub(crate) uniques: Vec<Unique>,
    /// References to tables that sync, too.
    pub(crate) references: Vec<Reference>,
    /// Referenced tables come before referencing ones.
    pub(crate) rank: usize,
    /// Whether a deleted row of it may have to come back, because a table that syncs forbids to leave its rows without it.
    pub(crate) may_return: bool,
    /// Whether the app has triggers on it.
    pub(crate) has_triggers: bool,
    pub(crate) rule: Rule,
}

/// Columns that must be unique together, with their collations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unique(pub(crate) Vec<(String, String)>);

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Place of the referenced table in the list of tables.
    pub(crate) parent: usize,
    /// The columns that refer, beside those they refer to.
    pub(crate) columns: Vec<(String, String)>,
    pub(crate) on_delete: OnDelete,
}

/// What becomes of a row whose referenced row is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnDelete {
    /// It goes, too.
    Cascade,
    /// Its reference is cleared.
    SetNull,
    /// Its reference becomes the column's default.
    SetDefault,
    /// The referenced row must stay.
    Forbid,
}

impl OnDelete {
    fn parse(action: &str) -> Self {
        match action {
            "CASCADE" => Self::Cascade,
            "SET NULL" => Self::SetNull,
            "SET DEFAULT" => Self::SetDefault,
            _ => Self::Forbid,
        }
    }
}

impl Table {
    /// The primary key of a row of this table as SQL, each column prefixed: `quote("t"."a") || ',' || quote("t"."b")`.
    pub(crate) fn key_sql(&self, prefix: &str) -> String {
        let part = |column: &String| format!("quote({prefix}{})", identifier(column));
        self.key.iter().map(part).collect::<Vec<_>>().join(" || ',' || ")
    }

    /// The same where it is put into a column of text, which gives an integer the form of its literal without a call.
    pub(crate) fn key_to_store(&self, prefix: &str) -> String {
        match self.key.as_slice() {
            [column] if self.key_is_rowid => format!("{prefix}{}", identifier(column)),
            _ => self.key_sql(prefix),
        }
    }
}

/// Reads the tables from the app's schema, referenced ones before referencing ones in `rank`.
pub(crate) fn describe(connection: &Connection, wanted: &[SyncedTable]) -> Result<Vec<Table>, ReplicaError> {
    let mut tables = Vec::with_capacity(wanted.len());
    for one in wanted {
        let table = describe_one(connection, one)?;
        let twice = |known: &Table| known.name == table.name || known.wire_name == table.wire_name;
        if tables.iter().any(twice) {
            return Err(fault(&table.name, TableFault::Twice));
        }
        tables.push(table);
    }
    let names: Vec<_> = tables.iter().map(|table| table.name.to_lowercase()).collect();
    for place in 0..tables.len() {
        tables[place].references = references_of(connection, &tables, place, &names)?;
    }
    find_what_may_return(&mut tables);
    rank(&mut tables);
    Ok(tables)
}

/// What others may forbid to delete, and what took such a row along by `CASCADE`.
fn find_what_may_return(tables: &mut [Table]) {
    let must_stay = |tables: &[Table], place: usize| {
        let holds = |table: &Table, reference: &Reference| match reference.on_delete {
            OnDelete::Forbid => reference.parent == place,
            OnDelete::Cascade => reference.parent == place && table.may_return,
            OnDelete::SetNull | OnDelete::SetDefault => false,
        };
        tables.iter().any(|table| table.references.iter().any(|reference| holds(table, reference)))
    };
    while let Some(place) =
        (0..tables.len()).find(|place| !tables[*place].may_return && must_stay(tables, *place))
    {
        tables[place].may_return = true;
    }
}

fn describe_one(connection: &Connection, wanted: &SyncedTable) -> Result<Table, ReplicaError> {
    let found: Option<(String, String)> = connection
        .query_row(
            "SELECT name, type FROM pragma_table_list(?1) WHERE schema = 'main'",
            [&wanted.name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((name, kind)) = found else { return Err(fault(&wanted.name, TableFault::Missing)) };
    if kind != "table" || is_reserved(&name) {
        return Err(fault(&name, TableFault::NotATable));
    }
    let wire_name = wanted.wire_name.clone().unwrap_or_else(|| name.clone());
    tidelog_protocol::rules::check_table(&wire_name)
        .map_err(|reason| fault(&name, TableFault::WireName(reason)))?;
    let (columns, key) = columns_of(connection, &name)?;
    if key.is_empty() {
        return Err(fault(&name, TableFault::NoPrimaryKey));
    }
    let has_triggers = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE
                        AND name NOT LIKE 'tidelog\\_%' ESCAPE '\\')",
        [&name],
        |row| row.get(0),
    )?;
    // Any other primary key has an index.
    let key_is_rowid = connection.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk')",
        [&name],
        |row| row.get(0),
    )?;
    Ok(Table {
        no: 0,
        key_is_rowid,
        uniques: uniques_of(connection, &name)?,
        name,
        wire_name,
        columns,
        key,
        references: Vec::new(),
        rank: 0,
        may_return: false,
        has_triggers,
        rule: wanted.rule.clone(),
    })
}

/// The columns that hold data, and those of the primary key.
fn columns_of(connection: &Connection, table: &str) -> Result<(Vec<String>, Vec<String>), ReplicaError> {
    let mut statement =
        connection.prepare("SELECT name, pk FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid")?;
    let rows = statement.query_map([table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    let columns = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut key: Vec<_> = columns.iter().filter(|(_, place)| *place > 0).collect();
    key.sort_by_key(|(_, place)| *place);
    let key = key.into_iter().map(|(name, _)| name.clone()).collect();
    Ok((columns.into_iter().map(|(name, _)| name).collect(), key))
}

fn uniques_of(connection: &Connection, table: &str) -> Result<Vec<Unique>, ReplicaError> {
    let mut statement = connection
        .prepare("SELECT name FROM pragma_index_list(?1) WHERE \"unique\" AND origin <> 'pk' ORDER BY seq")?;
    let indexes =
        statement.query_map([table], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut uniques = Vec::new();
    for index in indexes {
        let mut statement = connection
            .prepare_cached("SELECT name, coll FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno")?;
        let columns = statement
            .query_map([&index], |row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, String>(1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let columns: Option<Vec<_>> =
            columns.into_iter().map(|(name, collation)| Some((name?, collation))).collect();
        let columns = columns.ok_or_else(|| fault(table, TableFault::UniqueExpression(index)))?;
        uniques.push(Unique(columns));
    }
    Ok(uniques)
}

fn references_of(
    connection: &Connection,
    tables: &[Table],
    place: usize,
    names: &[String],
) -> Result<Vec<Reference>, ReplicaError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, \"table\", \"from\", \"to\", on_delete, seq FROM pragma_foreign_key_list(?1) ORDER BY id, seq",
    )?;
    type Found = (i64, String, String, Option<String>, String, usize);
    let found = statement
        .query_map([&tables[place].name], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })?
        .collect::<rusqlite::Result<Vec<Found>>>()?;
    let mut references: Vec<(i64, Reference)> = Vec::new();
    for (id, parent, from, to, on_delete, seq) in found {
        let Some(parent) = names.iter().position(|name| *name == parent.to_lowercase()) else { continue };
        let to = to.or_else(|| tables[parent].key.get(seq).cloned());
        let Some(to) = to else { continue };
        match references.last_mut().filter(|(last, _)| *last == id) {
            Some((_, reference)) => reference.columns.push((from, to)),
            None => {
                let on_delete = OnDelete::parse(&on_delete);
                references.push((id, Reference { parent, columns: vec![(from, to)], on_delete }));
            }
        }
    }
    Ok(references.into_iter().map(|(_, reference)| reference).collect())
}

/// Gives each table a rank above those of the tables that it references. Tables that reference each other in a circle get the
/// ranks that are left, in the order in which they were named.
fn rank(tables: &mut [Table]) {
    let mut ranked = vec![false; tables.len()];
    for rank in 0..tables.len() {
        let is_ready = |place: &usize| {
            let waits = |reference: &Reference| reference.parent != *place && !ranked[reference.parent];
            !ranked[*place] && !tables[*place].references.iter().any(waits)
        };
        let next = (0..tables.len()).find(is_ready).or_else(|| ranked.iter().position(|done| !done));
        let Some(next) = next else { return };
        tables[next].rank = rank;
        ranked[next] = true;
    }
}

fn fault(table: &str, fault: TableFault) -> ReplicaError {
    ReplicaError::Table { table: table.to_owned(), fault }
}
