//! Brings a database to the schema of this program.
//!
//! A new file runs every migration, an old one those that it lacks, so the path from version 1 on is walked all the time.
//! Before an existing file is changed, a copy of it is put beside it.

use std::path::Path;

use rusqlite::{Connection, Transaction};

use super::{DATABASE_FILE, OpenError, Options, connect};
use crate::clock::Clock;
use crate::error::Fault;

/// Marks a file as Tidelog's: "Tide" in ASCII, in SQLite's `application_id`.
const APPLICATION_ID: i64 = 0x5469_6465;

/// Migration number n, counted from 1, leads to schema version n. A released one is never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_the_log.sql"),
    include_str!("migrations/0002_batches_index_the_log.sql"),
    include_str!("migrations/0003_rotations.sql"),
    include_str!("migrations/0004_blobs.sql"),
    include_str!("migrations/0005_sign_in.sql"),
];

/// The schema version that this program reads and writes.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Opens the writing connection on a database that is at [`SCHEMA_VERSION`].
pub(super) fn open_current(options: &Options, clock: &Clock) -> Result<Connection, OpenError> {
    let path = options.data.join(DATABASE_FILE);
    refuse(&path)?;
    make_private(&path).map_err(|error| OpenError::Io(path.clone(), error))?;
    let mut connection = connect::writer(&path, options.synchronous)?;
    migrate(&mut connection, &path, MIGRATIONS, clock)?;
    Ok(connection)
}

/// Makes the file for its owner only, whatever its folder allows: it holds the keys that sign tokens. SQLite gives its
/// write-ahead log the same rights.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map(drop)
}

/// Refuses a file that is not ours or too new, before anything about it is changed.
fn refuse(path: &Path) -> Result<(), OpenError> {
    // An empty file is what a crash leaves between making the file and its first commit.
    if path.metadata().map_or(0, |found| found.len()) == 0 {
        return Ok(());
    }
    let connection = connect::reader(path).map_err(Fault::from)?;
    let found = version(&connection)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(Fault::from)?;
    let id = pragma(&connection, "application_id")?;
    if id != APPLICATION_ID && (tables > 0 || id != 0) {
        return Err(OpenError::Foreign(path.into()));
    }
    if found > SCHEMA_VERSION {
        return Err(OpenError::Newer { path: path.into(), found, known: SCHEMA_VERSION });
    }
    Ok(())
}

/// Runs the migrations that the database lacks, all in one transaction. Foreign keys are checked once at its end: while it
/// runs, a table may go and come back under its name.
fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
    clock: &Clock,
) -> Result<(), Fault> {
    let found = version(connection)?;
    let lacking = migrations.get(found as usize..).unwrap_or_default();
    if lacking.is_empty() {
        return Ok(());
    }
    if found > 0 {
        back_up(connection, path, found, clock)?;
    }
    connection.pragma_update(None, "foreign_keys", false)?;
    let transaction = connection.transaction()?;
    for migration in lacking {
        transaction.execute_batch(migration)?;
    }
    if transaction.prepare("PRAGMA foreign_key_check")?.exists([])? {
        return Err(Fault::Internal("an upgrade would leave rows that refer to nothing".into()));
    }
    sign(&transaction, migrations.len())?;
    transaction.commit()?;
    Ok(connection.pragma_update(None, "foreign_keys", true)?)
}

fn sign(transaction: &Transaction<'_>, version: usize) -> Result<(), Fault> {
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", version as i64)?;
    Ok(())
}

/// Copies the database as it was, so that a bad upgrade loses nothing.
fn back_up(connection: &Connection, path: &Path, version: i64, clock: &Clock) -> Result<(), Fault> {
    let copy = path.with_file_name(format!("before-upgrade-v{version}-{}.db", clock.now_us()));
    connection.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
    tracing::info!(copy = %copy.display(), "kept a copy of the database before upgrading it");
    Ok(())
}

fn version(connection: &Connection) -> Result<i64, Fault> {
    pragma(connection, "user_version")
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, Fault> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}

/// Makes a database of an older version from its fixture.
#[cfg(test)]
pub(super) fn make_old(data: &Path, version: usize, rows: &str) {
    let mut connection =
        connect::writer(&data.join(DATABASE_FILE), connect::Synchronous::Normal).expect("a file");
    migrate(&mut connection, data, &MIGRATIONS[..version], &Clock::system()).expect("the old schema");
    connection.execute_batch(rows).expect("its rows");
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = include_str!("../../schema.sql");

    fn objects(connection: &Connection) -> Vec<(String, String)> {
        let mut statement = connection
            .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
            .expect("the schema is readable");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("it has rows");
        rows.map(|row: rusqlite::Result<(String, String)>| row.expect("a row")).collect()
    }

    fn migrated(path: &Path, migrations: &[&str]) -> Result<Connection, Fault> {
        let mut connection = connect::writer(path, connect::Synchronous::Normal)?;
        migrate(&mut connection, path, migrations, &Clock::system())?;
        Ok(connection)
    }

    #[test]
    fn the_migrations_end_at_the_schema_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let by_migrations = migrated(&folder.path().join("a.db"), MIGRATIONS).expect("migrations run");
        let by_file = Connection::open_in_memory().expect("a database");
        by_file.execute_batch(SCHEMA).expect("the schema runs");
        assert_eq!(objects(&by_migrations), objects(&by_file));
    }

    #[test]
    fn an_upgrade_keeps_a_copy_and_a_failed_one_changes_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.db");
        drop(migrated(&path, &["CREATE TABLE a (x)"]).expect("version 1"));
        let broken = ["CREATE TABLE a (x)", "CREATE TABLE b (x)", "CREATE TABLE a (x)"];
        migrated(&path, &broken).expect_err("table a is there already");
        let connection = migrated(&path, &broken[..2]).expect("version 2");
        assert_eq!(version(&connection).expect("a version"), 2);
        assert_eq!(objects(&connection).len(), 2);
        let copies = std::fs::read_dir(folder.path()).expect("the folder").filter(|entry| {
            entry
                .as_ref()
                .is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("before-upgrade-v1-"))
        });
        assert!(copies.count() >= 1);
    }

    #[test]
    fn a_newer_file_and_a_foreign_one_are_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let newer = folder.path().join("newer.db");
        let connection = migrated(&newer, MIGRATIONS).expect("the current version");
        connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).expect("a newer version");
        drop(connection);
        let error = refuse(&newer).expect_err("too new").to_string();
        assert!(
            error.contains(&(SCHEMA_VERSION + 1).to_string()) && error.contains(&SCHEMA_VERSION.to_string())
        );

        let foreign = folder.path().join("foreign.db");
        let connection = Connection::open(&foreign).expect("a database");
        connection.execute_batch("CREATE TABLE notes (x)").expect("somebody's table");
        drop(connection);
        assert!(matches!(refuse(&foreign), Err(OpenError::Foreign(_))));
    }
}
