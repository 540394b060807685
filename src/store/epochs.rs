//! Epochs: one row per opening of the database for serving.

use std::str::FromStr;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rusqlite::Connection;
use tidelog_protocol::EpochTag;

use super::Shared;
use super::group::WriteTx;
use crate::error::Fault;
use crate::model::cursors::{BASE_SEQ, Epoch, Epochs};

const NEWEST_SEQ: &str = "
    SELECT max((SELECT coalesce(max(seq), 0) FROM changes),
        (SELECT coalesce(max(max(max_seq_used), max(first_seq) - 1), 0) FROM epochs))";
const SPEND: &str = "
    UPDATE epochs SET max_seq_used = max(max_seq_used, ?1) WHERE id = (SELECT max(id) FROM epochs)";
const BEGIN: &str = "INSERT INTO epochs (tag, first_seq, opened_at) VALUES (?1, ?2, ?3)";
const LIST: &str = "SELECT id, tag, first_seq FROM epochs ORDER BY id";

/// The highest seq that was ever given out, even if its change is gone.
pub(super) fn newest_seq(connection: &Connection) -> Result<i64, Fault> {
    let seq: i64 = connection.query_row(NEWEST_SEQ, [], |row| row.get(0))?;
    Ok(seq.max(BASE_SEQ))
}

/// Notes how many numbers have been given out. To be called by what removes changes, in the same transaction.
pub(super) fn note_spent(tx: &WriteTx<'_>) -> Result<(), Fault> {
    tx.prepare_cached(SPEND)?.execute([tx.newest_seq()])?;
    Ok(())
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
