//! Epochs: one row per opening of the database for serving.

use std::str::FromStr;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rusqlite::{Connection, OptionalExtension};
use tidelog_protocol::EpochTag;

use super::Shared;
use crate::error::Fault;
use crate::model::cursors::{BASE_SEQ, Epoch, Epochs};

const NEWEST_SEQ: &str = "SELECT seq FROM sqlite_sequence WHERE name = 'changes'";
const BEGIN: &str = "INSERT INTO epochs (tag, first_seq, opened_at) VALUES (?1, ?2, ?3)";
const LIST: &str = "SELECT id, tag, first_seq FROM epochs ORDER BY id";

/// The highest seq that was ever given out, even if its change is gone.
pub(super) fn newest_seq(connection: &Connection) -> Result<i64, Fault> {
    let seq: Option<i64> = connection.query_row(NEWEST_SEQ, [], |row| row.get(0)).optional()?;
    Ok(seq.unwrap_or(BASE_SEQ).max(BASE_SEQ))
}

/// Starts a new epoch after all that the database holds, and makes it the current one.
pub(super) fn begin(connection: &Connection, shared: &Shared) -> Result<(), Fault> {
    let mut random = [0; 5];
    getrandom::fill(&mut random).map_err(Fault::internal)?;
    let tag = EpochTag::from_random(random);
    let head = newest_seq(connection)?;
    connection.execute(BEGIN, (tag.as_str(), head + 1, shared.clock.now_us()))?;
    let mut statement = connection.prepare(LIST)?;
    let rows = statement.query_map([], |row| {
        let tag: String = row.get(1)?;
        Ok((row.get(0)?, tag, row.get(2)?))
    })?;
    let mut all = Vec::new();
    for row in rows {
        let (id, tag, first_seq) = row?;
        let tag = EpochTag::from_str(&tag).map_err(Fault::internal)?;
        all.push(Epoch { id, tag, first_seq });
    }
    shared.head.store(head, Ordering::SeqCst);
    *shared.epochs.write().unwrap_or_else(PoisonError::into_inner) = Epochs::new(&all);
    Ok(())
}
