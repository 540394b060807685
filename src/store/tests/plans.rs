//! How SQLite goes about the statements of this folder.

use std::path::PathBuf;

use rusqlite::{Connection, params_from_iter};

const SCHEMA: &str = include_str!("../../../schema.sql");
/// Statements that this folder has at least; finding fewer means that the search is broken.
const FEWEST: usize = 60;

fn sources(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .expect("a folder of this package")
        .map(|entry| entry.expect("an entry").path());
    let of = |path: PathBuf| match path.is_dir() {
        true => sources(&path.to_string_lossy()),
        false => vec![path],
    };
    entries.flat_map(of).filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The texts of a source file.
fn literals(source: &str) -> impl Iterator<Item = &str> {
    source.split('"').skip(1).step_by(2)
}

fn plan(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let unknown = vec![1; statement.parameter_count()];
    let steps = statement.query_map(params_from_iter(unknown), |row| row.get(3))?;
    steps.collect()
}

#[test]
fn no_statement_has_sqlite_build_an_index_of_all_changes_while_it_runs() {
    let connection = Connection::open_in_memory().expect("a database");
    connection.execute_batch(SCHEMA).expect("the schema");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store");
    let texts: Vec<String> = sources(folder)
        .iter()
        .filter(|path| !path.components().any(|part| part.as_os_str() == "tests"))
        .flat_map(|path| {
            let source = std::fs::read_to_string(path).expect("a source file is text");
            literals(&source).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    // What is no whole statement does not prepare.
    let plans: Vec<_> = texts.iter().filter_map(|sql| Some((sql, plan(&connection, sql).ok()?))).collect();
    let planned = plans.iter().filter(|(_, steps)| !steps.is_empty());
    assert!(planned.count() >= FEWEST, "only {} texts are statements", plans.len());
    for (sql, steps) in plans {
        let builds = steps.iter().any(|step| step.contains("changes USING AUTOMATIC"));
        assert!(!builds, "{sql}\n{steps:#?}");
    }
}
