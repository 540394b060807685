//! The app's own SQLite file: one table of airports, and the three small tables that syncing it takes.
//!
//! Every local change is noted in `outbox` in the transaction that makes it, and every page that comes in is applied in one
//! transaction with its cursor. So a crash at any instant loses nothing and repeats nothing that matters.
//!
//! Where two devices changed one row, the later change wins, on both: `versions` remembers which change each row has now, also
//! when that was a delete.

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
        place INTEGER PRIMARY KEY, op TEXT NOT NULL, icao TEXT NOT NULL, time_us INTEGER NOT NULL, row TEXT
    ) STRICT;
    CREATE TABLE position (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), cursor TEXT NOT NULL) STRICT;";
const PUT: &str = "INSERT OR REPLACE INTO airports VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const DELETE: &str = "DELETE FROM airports WHERE icao = ?1";
const NOTE_VERSION: &str = "INSERT OR REPLACE INTO versions VALUES (?1, ?2, ?3)";
const VERSION: &str = "SELECT time_us, author FROM versions WHERE icao = ?1";
const NOTE_CHANGE: &str = "INSERT INTO outbox (op, icao, time_us, row) VALUES (?1, ?2, ?3, ?4)";
const CHANGES: &str = "SELECT place, op, icao, time_us, row FROM outbox ORDER BY place LIMIT ?1";
const NOTE_POSITION: &str = "INSERT OR REPLACE INTO position VALUES (1, ?1)";

/// What was done to a row.
#[derive(Clone, Debug)]
pub enum Edit {
    Insert(Airport),
    Update(Airport),
    Delete(String),
}

/// An edit, and when and where it was made.
#[derive(Clone, Debug)]
pub struct Stamped {
    pub edit: Edit,
    /// Microseconds since 1970, by the author's clock.
    pub time_us: i64,
    /// The device that made it.
    pub author: String,
}

/// An edit that waits to be pushed.
pub struct Pending {
    /// Its place in the queue.
    pub place: i64,
    pub edit: Edit,
    pub time_us: i64,
}

/// An open file.
pub struct AppFile {
    path: PathBuf,
    connection: Connection,
}

impl AppFile {
    /// Makes a new, empty one.
    pub fn create(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { path: path.to_owned(), connection })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes these edits, and notes that they are to be pushed.
    pub fn edit(&mut self, edits: &[Stamped]) -> Result<()> {
        let transaction = self.connection.transaction()?;
        for stamped in edits {
            carry_out(&transaction, stamped)?;
            let (op, icao, row) = match &stamped.edit {
                Edit::Insert(airport) => ("insert", &airport.icao, Some(serde_json::to_string(airport)?)),
                Edit::Update(airport) => ("update", &airport.icao, Some(serde_json::to_string(airport)?)),
                Edit::Delete(icao) => ("delete", icao, None),
            };
            transaction.prepare_cached(NOTE_CHANGE)?.execute((op, icao, stamped.time_us, row))?;
        }
        Ok(transaction.commit()?)
    }

    /// The oldest edits that wait to be pushed, at most `limit`.
    pub fn pending(&self, limit: usize) -> Result<Vec<Pending>> {
        let mut statement = self.connection.prepare_cached(CHANGES)?;
        let mut rows = statement.query([limit])?;
        let mut pending = Vec::new();
        while let Some(row) = rows.next()? {
            let (op, icao, data): (String, String, Option<String>) = (row.get(1)?, row.get(2)?, row.get(4)?);
            let edit = match (op.as_str(), data) {
                ("insert", Some(data)) => Edit::Insert(serde_json::from_str(&data)?),
                ("update", Some(data)) => Edit::Update(serde_json::from_str(&data)?),
                _ => Edit::Delete(icao),
            };
            pending.push(Pending { place: row.get(0)?, edit, time_us: row.get(3)? });
        }
        Ok(pending)
    }

    /// Forgets the pending edits up to this place: the server has them.
    pub fn pushed(&self, place: i64) -> Result<()> {
        self.connection.execute("DELETE FROM outbox WHERE place <= ?1", [place])?;
        Ok(())
    }

    /// Applies what other devices did, and notes how far that goes.
    pub fn apply(&mut self, page: &[Stamped], cursor: &str) -> Result<()> {
        let transaction = self.connection.transaction()?;
        for stamped in page {
            carry_out(&transaction, stamped)?;
        }
        transaction.prepare_cached(NOTE_POSITION)?.execute([cursor])?;
        Ok(transaction.commit()?)
    }

    /// How far this file has got in the log; empty at first.
    pub fn position(&self) -> Result<String> {
        let cursor = self.connection.query_row("SELECT cursor FROM position", [], |row| row.get(0));
        Ok(cursor.optional()?.unwrap_or_default())
    }

    /// Every row with every column, in order.
    pub fn rows(&self) -> Result<Vec<Vec<Column>>> {
        let mut statement = self.connection.prepare("SELECT * FROM airports ORDER BY icao")?;
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
        Ok(statement.query_map([], row)?.collect::<Result<_, _>>()?)
    }
}

/// An airport as its row should be.
pub fn columns(airport: &Airport) -> Vec<Column> {
    let Airport { icao, iata, name, city, subd, country, elevation, lat, lon, tz, lid } = airport.clone();
    let text = [icao, iata, name, city, subd, country].map(Column::Text);
    let numbers = [elevation, lat, lon].map(Column::Real);
    let more_text = [tz, lid].map(Column::Text);
    text.into_iter().chain(numbers).chain(more_text).collect()
}

/// Carries out an edit, unless the row has a later one already. Of two made in the same microsecond, the device with the
/// larger id wins: any rule will do, if all devices follow it.
fn carry_out(transaction: &Transaction<'_>, stamped: &Stamped) -> Result<()> {
    let icao = match &stamped.edit {
        Edit::Insert(airport) | Edit::Update(airport) => &airport.icao,
        Edit::Delete(icao) => icao,
    };
    let version = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let present: Option<(i64, String)> =
        transaction.prepare_cached(VERSION)?.query_row([icao], version).optional()?;
    if present.is_some_and(|present| present >= (stamped.time_us, stamped.author.clone())) {
        return Ok(());
    }
    match &stamped.edit {
        Edit::Insert(row) | Edit::Update(row) => {
            let Airport { icao, iata, name, city, subd, country, elevation, lat, lon, tz, lid } = row;
            let values = (icao, iata, name, city, subd, country, elevation, lat, lon, tz, lid);
            transaction.prepare_cached(PUT)?.execute(values)?;
        }
        Edit::Delete(icao) => {
            transaction.prepare_cached(DELETE)?.execute([icao])?;
        }
    }
    transaction.prepare_cached(NOTE_VERSION)?.execute((icao, stamped.time_us, &stamped.author))?;
    Ok(())
}
