//! Creates a database, or brings an older one to the schema of this program.
//!
//! A new database is made from `schema.sql`. An older one runs the migrations that it lacks, in one transaction,
//! after a copy of it has been put beside it.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction};

use super::{DATABASE_FILE, OpenError, Options, connect};
use crate::clock::Clock;
use crate::error::Fault;

/// Marks a file as Tidelog's: "TLog" in ASCII, in SQLite's `application_id`.
const APPLICATION_ID: i64 = 0x544C_6F67;
/// What development builds before schema version 1 wrote there: "Tide".
const UNRELEASED_APPLICATION_ID: i64 = 0x5469_6465;

/// The schema of this program, and how databases of older versions get there.
struct Schema<'a> {
    /// Makes a new database.
    sql: &'a str,
    /// Migration number n, counted from 1, leads from version n to n + 1. A released one is never changed.
    migrations: &'a [&'a str],
}

const SCHEMA: Schema<'_> = Schema { sql: include_str!("../../schema.sql"), migrations: &[] };

/// The schema version that this program reads and writes.
pub const SCHEMA_VERSION: i64 = SCHEMA.version();

impl Schema<'_> {
    const fn version(&self) -> i64 {
        self.migrations.len() as i64 + 1
    }
}

/// Opens the writing connection on a database that is at [`SCHEMA_VERSION`].
pub(super) fn open_current(options: &Options, clock: &Clock) -> Result<Connection, OpenError> {
    let path = options.data.join(DATABASE_FILE);
    refuse_unknown(&path)?;
    make_private(&path).map_err(|error| OpenError::Io(path.clone(), error))?;
    let mut connection = connect::writer(&path, options.synchronous)?;
    bring_up_to_date(&mut connection, &path, &SCHEMA, clock)?;
    Ok(connection)
}

/// Creates the file for its owner only, whatever its folder allows: it holds the keys that sign tokens. SQLite gives
/// its write-ahead log the same permissions.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map(drop)
}

/// Refuses a file that this program cannot read, before anything about it is changed.
fn refuse_unknown(path: &Path) -> Result<(), OpenError> {
    // An empty file is what a crash leaves between creating the file and its first commit.
    if path.metadata().map_or(0, |found| found.len()) == 0 {
        return Ok(());
    }
    let connection = connect::reader(path).map_err(Fault::from)?;
    // Otherwise closing it would move what is in the write-ahead log to the database.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(Fault::from)?;
    match pragma(&connection, "application_id")? {
        APPLICATION_ID => {}
        UNRELEASED_APPLICATION_ID => return Err(OpenError::Unreleased(path.into())),
        // What a crash leaves between SQLite's first page and the first commit.
        0 if count_objects(&connection)? == 0 => {}
        _ => return Err(OpenError::Foreign(path.into())),
    }
    let found = version(&connection)?;
    if found > SCHEMA_VERSION {
        return Err(OpenError::Newer { path: path.into(), found, known: SCHEMA_VERSION });
    }
    Ok(())
}

/// Creates the schema in an empty database, or runs the migrations that an older one lacks.
fn bring_up_to_date(
    connection: &mut Connection,
    path: &Path,
    schema: &Schema<'_>,
    clock: &Clock,
) -> Result<(), Fault> {
    let found = version(connection)?;
    if found == schema.version() {
        return Ok(());
    }
    if found == 0 {
        let transaction = connection.transaction()?;
        transaction.execute_batch(schema.sql)?;
        return commit(transaction, schema);
    }
    back_up(connection, path, found, clock)?;
    migrate(connection, found, schema)
}

/// Foreign keys are checked once at the end: in between, a table may be dropped and created anew under its name.
fn migrate(connection: &mut Connection, found: i64, schema: &Schema<'_>) -> Result<(), Fault> {
    connection.pragma_update(None, "foreign_keys", false)?;
    let transaction = connection.transaction()?;
    for migration in schema.migrations.iter().skip(found as usize - 1) {
        transaction.execute_batch(migration)?;
    }
    if transaction.prepare("PRAGMA foreign_key_check")?.exists([])? {
        return Err(Fault::Internal("a migration would leave rows that refer to missing ones".into()));
    }
    commit(transaction, schema)?;
    Ok(connection.pragma_update(None, "foreign_keys", true)?)
}

fn commit(transaction: Transaction<'_>, schema: &Schema<'_>) -> Result<(), Fault> {
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", schema.version())?;
    Ok(transaction.commit()?)
}

/// Copies the database as it was, so that a bad migration loses nothing.
fn back_up(connection: &Connection, path: &Path, version: i64, clock: &Clock) -> Result<(), Fault> {
    let copy = path.with_file_name(format!("before-upgrade-v{version}-{}.db", clock.now_us()));
    connection.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
    tracing::info!(copy = %copy.display(), "backed up the database before migrating it");
    Ok(())
}

fn version(connection: &Connection) -> Result<i64, Fault> {
    pragma(connection, "user_version")
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, Fault> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}

/// Tables, indexes, views and triggers.
fn count_objects(connection: &Connection) -> Result<i64, Fault> {
    Ok(connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?)
}

#[cfg(test)]
mod tests;
