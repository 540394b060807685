//! The migration runner, by migrations of its own, and every reason to refuse a file.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::notify::Hub;
use crate::store::Store;
use crate::store::connect::Synchronous;

/// The schema file of each released version before this one, the oldest first.
const RELEASED: [&str; SCHEMA.migrations.len()] = [];

fn objects(connection: &Connection) -> Vec<(String, String)> {
    let mut statement = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
        .expect("the schema is readable");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("it has rows");
    rows.map(|row: rusqlite::Result<(String, String)>| row.expect("a row")).collect()
}

fn open(path: &Path, schema: &Schema<'_>) -> Result<Connection, Fault> {
    let mut connection = connect::writer(path, Synchronous::Normal)?;
    bring_up_to_date(&mut connection, path, schema, &Clock::system())?;
    Ok(connection)
}

/// A data folder whose database is marked with these numbers and holds one table. Its last rows are in the
/// write-ahead log.
fn data_folder(application_id: i64, user_version: i64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let connection =
        connect::writer(&folder.path().join(DATABASE_FILE), Synchronous::Normal).expect("a file");
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).expect("it is set");
    connection.execute_batch("CREATE TABLE notes (x); INSERT INTO notes VALUES (1)").expect("a table");
    connection.pragma_update(None, "application_id", application_id).expect("it is set");
    connection.pragma_update(None, "user_version", user_version).expect("it is set");
    folder
}

/// Every file of the database and its bytes, but for SQLite's shared memory, which holds no data.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let names = [DATABASE_FILE.into(), format!("{DATABASE_FILE}-wal")];
    names.map(|name| folder.join(name)).map(|path| (path.clone(), fs::read(&path).expect("a file"))).into()
}

/// The error with which a store refuses a folder that it leaves as it was.
fn refusal(folder: &Path) -> String {
    let before = files(folder);
    let options = Options {
        data: folder.into(),
        synchronous: Synchronous::Normal,
        readers: 1,
        allow_network_file_system: false,
        serving: true,
        audit_days: 90,
    };
    let Err(error) = Store::open(options, Clock::system(), Hub::default()) else { panic!("it is opened") };
    assert_eq!(files(folder), before, "{error}");
    error.to_string()
}

#[test]
fn migrations_end_at_the_schema_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let expected = objects(&open(&folder.path().join("new.db"), &SCHEMA).expect("a new database"));
    for (index, sql) in RELEASED.iter().enumerate() {
        let path = folder.path().join(format!("v{}.db", index + 1));
        let released = Schema { sql, migrations: &SCHEMA.migrations[..index] };
        drop(open(&path, &released).expect("the schema of a released version"));
        let migrated = open(&path, &SCHEMA).expect("its migrations run");
        assert_eq!(objects(&migrated), expected, "from version {}", index + 1);
    }
}

#[test]
fn a_migration_is_preceded_by_a_backup_and_changes_nothing_if_it_fails() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a.db");
    let first = Schema { sql: "CREATE TABLE a (x); INSERT INTO a VALUES (1)", migrations: &[] };
    drop(open(&path, &first).expect("version 1"));
    let broken = ["CREATE TABLE b (x)", "CREATE TABLE a (x)"];
    open(&path, &Schema { sql: "", migrations: &broken }).expect_err("table a exists");
    let migrated = open(&path, &Schema { sql: "", migrations: &broken[..1] }).expect("version 2");
    assert_eq!(version(&migrated).expect("a version"), 2);
    assert_eq!(objects(&migrated).len(), 2);

    let is_backup = |path: &PathBuf| path.to_string_lossy().contains("before-upgrade-v1-");
    let entries = fs::read_dir(folder.path()).expect("the folder");
    let backups: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).filter(is_backup).collect();
    assert_eq!(backups.len(), 2, "one for each attempt");
    let backup = Connection::open(&backups[0]).expect("the backup opens");
    assert_eq!(version(&backup).expect("a version"), 1);
    let rows: i64 = backup.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).expect("its table");
    assert_eq!((objects(&backup).len(), rows), (1, 1));
}

#[test]
fn a_migration_that_leaves_a_dangling_reference_changes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a.db");
    let sql = "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a REFERENCES a (id));
        INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)";
    drop(open(&path, &Schema { sql, migrations: &[] }).expect("version 1"));
    open(&path, &Schema { sql, migrations: &["DELETE FROM a"] }).expect_err("b refers to a");
    let connection = open(&path, &Schema { sql, migrations: &[] }).expect("still version 1");
    let rows: i64 = connection.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).expect("a count");
    assert_eq!(rows, 1);
}

#[test]
fn a_database_of_a_newer_program_is_refused_naming_both_versions() {
    let folder = data_folder(APPLICATION_ID, SCHEMA_VERSION + 1);
    let error = refusal(folder.path());
    let named =
        format!("schema version {}, this program knows versions up to {SCHEMA_VERSION}", SCHEMA_VERSION + 1);
    assert!(error.contains(&named), "{error}");
}

#[test]
fn a_database_of_an_unreleased_build_is_refused_whatever_its_version() {
    for version in 0..=5 {
        let folder = data_folder(UNRELEASED_APPLICATION_ID, version);
        let error = refusal(folder.path());
        assert!(error.contains("development build") && error.contains("start with an empty one"), "{error}");
    }
}

#[test]
fn a_database_of_another_program_is_refused() {
    for application_id in [0, 7] {
        let folder = data_folder(application_id, 1);
        let error = refusal(folder.path());
        assert!(error.contains("not a Tidelog database"), "{error}");
    }
}
