//! What the machine allows: the same rows in the same table, by the same SQLite, without a server around it.
//!
//! All that this program knows of the schema is in this file. Foreign keys are not checked here, because a bare loop
//! has nothing to check; apart from that the settings are the server's. The table is the server's with all its
//! constraints, so a table that costs more slows both: what the disk and a leaner table would allow is more than
//! these figures.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the baselines are SQLite and actix-web themselves"
)]

mod pull;
mod push;
mod streams;

use std::path::Path;

use base64_simd::STANDARD;
use rusqlite::{CachedStatement, Connection, OpenFlags, Row};
use tidelog_protocol::{Entry, Timestamp};
use uuid::Uuid;

use crate::library::DATABASE_FILE;
use crate::{Result, content};

pub(crate) use pull::pull;
pub(crate) use push::push;
pub(crate) use streams::serve as serve_streams;

const WRITER: &str = "
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;
    PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -8192";
const READER: &str = "PRAGMA query_only = ON; PRAGMA cache_size = -2048";
const NEWEST: &str = "SELECT coalesce(max(seq), 1) FROM changes";
const INSERT: &str = "
    INSERT INTO changes (seq, log, op, table_name, row_id, timestamp, key_version, data)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7)";
const PAGE: &str = "
    SELECT changes.seq, table_name, op, row_id, timestamp, key_version, data
    FROM batches CROSS JOIN changes ON changes.seq BETWEEN max(batches.first_seq, ?2 + 1) AND batches.last_seq
    WHERE batches.log = ?1 AND batches.last_seq > ?2
    ORDER BY batches.last_seq, changes.seq LIMIT ?3";
/// As they are stored: lower-case `insert`.
const OP_CODE: u8 = 0;

/// What a baseline came to.
pub(crate) struct Bare {
    /// Changes in a second.
    pub(crate) per_s: f64,
    /// CPU time of a change, in microseconds.
    pub(crate) cpu_us: f64,
}

/// A change as a server that has parsed it would hold it.
struct NewRow {
    row_id: Uuid,
    time_us: i64,
    data: Vec<u8>,
}

impl NewRow {
    fn new() -> Result<Self> {
        let mut data = vec![0; content::DATA_BYTES];
        getrandom::fill(&mut data)?;
        Ok(Self { row_id: Uuid::new_v4(), time_us: 1_773_396_000_123_456, data })
    }
}

fn insert(statement: &mut CachedStatement<'_>, seq: i64, log: i64, row: &NewRow) -> rusqlite::Result<()> {
    let NewRow { row_id, time_us, data } = row;
    statement.execute((seq, log, OP_CODE, content::TABLE, row_id.as_bytes(), time_us, data)).map(drop)
}

/// A row as an entry, whose longer texts go into reused buffers.
fn entry<'r>(row: &'r Row<'_>, device_id: Uuid, texts: &'r mut Texts) -> Result<Entry<'r>> {
    let Texts { row_id, data } = texts;
    data.clear();
    STANDARD.encode_append(row.get_ref(6)?.as_blob()?, data);
    Ok(Entry {
        seq: row.get(0)?,
        device_id,
        table: row.get_ref(1)?.as_str()?.into(),
        op: if row.get::<_, u8>(2)? == OP_CODE {
            content::OP.into()
        } else {
            return Err("another op".into());
        },
        row_id: (&*Uuid::from_slice(row.get_ref(3)?.as_blob()?)?.hyphenated().encode_lower(row_id)).into(),
        timestamp: Timestamp::from_micros(row.get(4)?)?,
        key_version: row.get(5)?,
        data: Some(data.as_str().into()),
    })
}

struct Texts {
    row_id: [u8; 36],
    data: String,
}

impl Texts {
    fn new() -> Self {
        Self { row_id: [0; 36], data: String::new() }
    }
}

fn open_writer(data: &Path) -> Result<Connection> {
    let connection = Connection::open(data.join(DATABASE_FILE))?;
    connection.execute_batch(WRITER)?;
    Ok(connection)
}

fn open_reader(data: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(data.join(DATABASE_FILE), flags)?;
    connection.execute_batch(READER)?;
    Ok(connection)
}
