//! What it costs an app that its writes are recorded.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is an app, which has a database of its own"
)]

use std::path::Path;
use std::time::Instant;

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tidelog_client::replica::Replica;
use tidelog_client::replica::rusqlite::{Connection, Statement};

use super::Scale;
use crate::server::Binary;
use crate::{Result, process};

const ROUNDS: usize = 5;
/// Rows of a smaller transaction.
const BATCH: usize = 100;

/// A kind of key that apps have.
struct Kind {
    name: &'static str,
    schema: &'static str,
    key: fn(usize) -> Key,
}

enum Key {
    Number(i64),
    Text(String),
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "integer",
        schema: "CREATE TABLE items (id INTEGER PRIMARY KEY, title TEXT NOT NULL, note TEXT, done INTEGER NOT NULL) STRICT",
        key: |row| Key::Number(row as i64),
    },
    Kind {
        name: "uuid",
        schema: "CREATE TABLE items (id TEXT PRIMARY KEY, title TEXT NOT NULL, note TEXT, done INTEGER NOT NULL) STRICT",
        key: |_| Key::Text(uuid::Uuid::now_v7().to_string()),
    },
];

/// Seconds, by the clock and of the CPU.
struct Took {
    time: f64,
    cpu: f64,
}

/// Median ratios of several rounds, in each of which the two ways are tried one after the other.
pub(super) fn measure(_: &Binary, scale: Scale) -> Result<Value> {
    let mut figures = Map::new();
    for kind in &KINDS {
        for (transaction, rows) in [("at_once", scale.rows), ("by_100", BATCH)] {
            let mut rounds = Vec::new();
            for round in 0..ROUNDS {
                let first = round % 2 == 0;
                let one = insert(kind, first, scale.rows, rows)?;
                let other = insert(kind, !first, scale.rows, rows)?;
                rounds.push(if first { (one, other) } else { (other, one) });
            }
            let median = |figure: fn(&(Took, Took)) -> f64| {
                let mut all: Vec<_> = rounds.iter().map(figure).collect();
                all.sort_unstable_by(f64::total_cmp);
                all[ROUNDS / 2]
            };
            let name = |what: &str| format!("{}_{transaction}_{what}", kind.name);
            let micros = 1e6 / scale.rows as f64;
            figures.insert(name("us"), json!(median(|(synced, _)| synced.time) * micros));
            figures.insert(name("bare_us"), json!(median(|(_, bare)| bare.time) * micros));
            figures.insert(name("ratio"), json!(median(|(synced, bare)| synced.time / bare.time)));
            figures.insert(name("cpu_ratio"), json!(median(|(synced, bare)| synced.cpu / bare.cpu)));
        }
    }
    Ok(figures.into())
}

/// Inserts the rows into a new database, in transactions of so many.
fn insert(kind: &Kind, synced: bool, rows: usize, at_once: usize) -> Result<Took> {
    let folder = TempDir::new()?;
    let path = folder.path().join("app.db");
    let app = open(&path)?;
    app.execute_batch(kind.schema)?;
    // Kept until the end: an app's replica is attached while the app runs.
    let _replica = synced.then(|| attach(&path)).transpose()?;
    let keys: Vec<_> = (0..rows).map(kind.key).collect();
    let (began, cpu) = (Instant::now(), process::thread_cpu_seconds()?);
    for keys in keys.chunks(at_once) {
        let transaction = app.unchecked_transaction()?;
        let mut statement = app.prepare_cached("INSERT INTO items VALUES (?1, ?2, ?3, ?4)")?;
        keys.iter().try_for_each(|key| insert_one(&mut statement, key))?;
        transaction.commit()?;
    }
    Ok(Took { time: began.elapsed().as_secs_f64(), cpu: process::thread_cpu_seconds()? - cpu })
}

fn insert_one(statement: &mut Statement<'_>, key: &Key) -> Result<()> {
    const TITLE: &str = "Water the plants on the balcony";
    const NOTE: &str = "The basil wants more than the others, the rosemary less; none in the noon sun.";
    match key {
        Key::Number(key) => statement.execute((key, TITLE, NOTE, 0))?,
        Key::Text(key) => statement.execute((key, TITLE, NOTE, 0))?,
    };
    Ok(())
}

fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    Ok(connection)
}

fn attach(path: &Path) -> Result<Replica> {
    Ok(Replica::attach(open(path)?, ["items"])?)
}
