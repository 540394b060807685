//! The app's SQLite file: one table of airports, and the three small tables that are needed to sync it.
//!
//! Every local change is recorded in `outbox` in the same transaction, and every pulled page is applied in one
//! transaction together with its cursor. So a crash at any moment loses nothing, and repeats nothing that matters.
//!
//! If two devices change the same row, the later change wins on both. `versions` stores which change each row has,
//! even if it was a deletion.

use std::path::{Path, PathBuf};

use rusqlite::types::Value as Column;
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::Result;
use crate::dataset::Airport;

const SCHEMA: &str = "
    CREATE TABLE airports (
        icao TEXT PRIMARY KEY, iata TEXT NOT NULL, name TEXT NOT NULL, city TEXT NOT NULL, subd TEXT NOT NULL,
        country TEXT NOT NULL, elevation REAL NOT NULL, lat REAL NOT NULL, lon REAL NOT NULL, tz TEXT NOT NULL,
        lid TEXT NOT NULL
    ) STRICT;
    CREATE TABLE versions (icao TEXT PRIMARY KEY, time_us INTEGER NOT NULL, author TEXT NOT NULL) STRICT;
    CREATE TABLE outbox (
        position INTEGER PRIMARY KEY, op TEXT NOT NULL, icao TEXT NOT NULL, time_us INTEGER NOT NULL, row TEXT
    ) STRICT;
    CREATE TABLE pull_cursor (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), cursor TEXT NOT NULL) STRICT;";
const PUT_ROW: &str = "INSERT OR REPLACE INTO airports VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const DELETE_ROW: &str = "DELETE FROM airports WHERE icao = ?1";
const PUT_VERSION: &str = "INSERT OR REPLACE INTO versions VALUES (?1, ?2, ?3)";
const FIND_VERSION: &str = "SELECT time_us, author FROM versions WHERE icao = ?1";
const ADD_TO_OUTBOX: &str = "INSERT INTO outbox (op, icao, time_us, row) VALUES (?1, ?2, ?3, ?4)";
const LIST_OUTBOX: &str = "SELECT position, op, icao, time_us, row FROM outbox ORDER BY position LIMIT ?1";
const PUT_CURSOR: &str = "INSERT OR REPLACE INTO pull_cursor VALUES (1, ?1)";

/// A change of a row.
#[derive(Clone, Debug)]
pub enum Edit {
    Insert(Airport),
    Update(Airport),
    Delete(String),
}

/// An edit, with its time and author.
#[derive(Clone, Debug)]
pub struct TimedEdit {
    pub edit: Edit,
    /// In microseconds since 1970, by the author's clock.
    pub time_us: i64,
    /// The device that made it.
    pub author: String,
}

/// An edit that was not pushed yet.
pub struct PendingEdit {
    /// Its position in the outbox.
    pub position: i64,
    pub edit: Edit,
    pub time_us: i64,
}

/// The open file.
pub struct AppFile {
    path: PathBuf,
    connection: Connection,
}

impl AppFile {
    /// Creates an empty file.
    pub fn create(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { path: path.to_owned(), connection })
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes edits, and adds them to the outbox.
    pub fn edit(&mut self, edits: &[TimedEdit]) -> Result<()> {
        let transaction = self.connection.transaction()?;
        for timed in edits {
            apply_edit(&transaction, timed)?;
            let (op, icao, row) = match &timed.edit {
                Edit::Insert(airport) => ("insert", &airport.icao, Some(serde_json::to_string(airport)?)),
                Edit::Update(airport) => ("update", &airport.icao, Some(serde_json::to_string(airport)?)),
                Edit::Delete(icao) => ("delete", icao, None),
            };
            transaction.prepare_cached(ADD_TO_OUTBOX)?.execute((op, icao, timed.time_us, row))?;
        }
        Ok(transaction.commit()?)
    }

    /// The oldest edits in the outbox, at most `limit`.
    pub fn pending(&self, limit: usize) -> Result<Vec<PendingEdit>> {
        let mut statement = self.connection.prepare_cached(LIST_OUTBOX)?;
        let mut rows = statement.query([limit])?;
        let mut pending = Vec::new();
        while let Some(row) = rows.next()? {
            let (op, icao, data): (String, String, Option<String>) = (row.get(1)?, row.get(2)?, row.get(4)?);
            let edit = match (op.as_str(), data) {
                ("insert", Some(data)) => Edit::Insert(serde_json::from_str(&data)?),
                ("update", Some(data)) => Edit::Update(serde_json::from_str(&data)?),
                _ => Edit::Delete(icao),
            };
            pending.push(PendingEdit { position: row.get(0)?, edit, time_us: row.get(3)? });
        }
        Ok(pending)
    }

    /// Removes edits from the outbox, up to and including this position, after the server has stored them.
    pub fn remove_pending(&self, position: i64) -> Result<()> {
        self.connection.execute("DELETE FROM outbox WHERE position <= ?1", [position])?;
        Ok(())
    }

    /// Applies a page of edits of other devices, and stores the cursor after it.
    pub fn apply(&mut self, page: &[TimedEdit], cursor: &str) -> Result<()> {
        let transaction = self.connection.transaction()?;
        for timed in page {
            apply_edit(&transaction, timed)?;
        }
        transaction.prepare_cached(PUT_CURSOR)?.execute([cursor])?;
        Ok(transaction.commit()?)
    }

    /// The position in the log up to which everything was applied; empty at first.
    pub fn cursor(&self) -> Result<String> {
        let cursor = self.connection.query_row("SELECT cursor FROM pull_cursor", [], |row| row.get(0));
        Ok(cursor.optional()?.unwrap_or_default())
    }

    /// All rows with all columns, in order.
    pub fn rows(&self) -> Result<Vec<Vec<Column>>> {
        let mut statement = self.connection.prepare("SELECT * FROM airports ORDER BY icao")?;
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
        Ok(statement.query_map([], row)?.collect::<Result<_, _>>()?)
    }
}

/// The columns of an airport's row.
pub fn columns(airport: &Airport) -> Vec<Column> {
    let Airport { icao, iata, name, city, subd, country, elevation, lat, lon, tz, lid } = airport.clone();
    let text = [icao, iata, name, city, subd, country].map(Column::Text);
    let numbers = [elevation, lat, lon].map(Column::Real);
    let more_text = [tz, lid].map(Column::Text);
    text.into_iter().chain(numbers).chain(more_text).collect()
}

/// Applies an edit, unless the row already has a later one. Of two edits in the same microsecond, the one of the
/// device with the greater id wins: any rule works as long as all devices follow it.
fn apply_edit(transaction: &Transaction<'_>, timed: &TimedEdit) -> Result<()> {
    let icao = match &timed.edit {
        Edit::Insert(airport) | Edit::Update(airport) => &airport.icao,
        Edit::Delete(icao) => icao,
    };
    let version = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let current: Option<(i64, String)> =
        transaction.prepare_cached(FIND_VERSION)?.query_row([icao], version).optional()?;
    if current.is_some_and(|current| current >= (timed.time_us, timed.author.clone())) {
        return Ok(());
    }
    match &timed.edit {
        Edit::Insert(row) | Edit::Update(row) => {
            let Airport { icao, iata, name, city, subd, country, elevation, lat, lon, tz, lid } = row;
            let values = (icao, iata, name, city, subd, country, elevation, lat, lon, tz, lid);
            transaction.prepare_cached(PUT_ROW)?.execute(values)?;
        }
        Edit::Delete(icao) => {
            transaction.prepare_cached(DELETE_ROW)?.execute([icao])?;
        }
    }
    transaction.prepare_cached(PUT_VERSION)?.execute((icao, timed.time_us, &timed.author))?;
    Ok(())
}
