//! Epochs: one row for each opening of the database for serving, and the cursors that carry its tag.

use std::str::FromStr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use rusqlite::Connection;
use tidelog_protocol::{Cursor, EpochTag};

use super::group::WriteTx;
use super::shared::Shared;
use crate::error::Fault;
use crate::model::cursors::{BASE_SEQ, Epoch, Epochs};
use crate::model::sessions::Caller;

const NEWEST_SEQ: &str = "
    SELECT max((SELECT coalesce(max(seq), 0) FROM changes),
        (SELECT coalesce(max(max(max_seq_used), max(first_seq) - 1), 0) FROM epochs))";
const NOTE_USED: &str = "
    UPDATE epochs SET max_seq_used = max(max_seq_used, ?1) WHERE id = (SELECT max(id) FROM epochs)";
const BEGIN: &str = "INSERT INTO epochs (tag, first_seq, opened_at) VALUES (?1, ?2, ?3)";
const LIST: &str = "SELECT id, tag, first_seq FROM epochs ORDER BY id";

/// The highest seq ever assigned, even if its change has been deleted.
pub(super) fn newest_seq(connection: &Connection) -> Result<i64, Fault> {
    let seq: i64 = connection.query_row(NEWEST_SEQ, [], |row| row.get(0))?;
    Ok(seq.max(BASE_SEQ))
}

/// Notes the highest seq assigned. To be called by what deletes changes, in the same transaction.
pub(super) fn note_max_seq(tx: &WriteTx<'_>) -> Result<(), Fault> {
    tx.prepare_cached(NOTE_USED)?.execute([tx.newest_seq()])?;
    Ok(())
}

/// The cursor of a position in the current epoch, in the format that the caller's app receives.
pub(super) fn cursor_at(epochs: &Epochs, caller: &Caller, seq: i64) -> Cursor {
    Cursor::formatted(seq, epochs.current().tag, caller.cursor_format)
}

/// The position that a cursor stands for. `None`: it comes from a history that was lost.
///
/// The writer stores its newest seq right after the commit, so for a moment a snapshot may show, and a cursor name, a
/// seq beyond it. That is why the snapshot itself is asked before a cursor is refused.
pub(super) fn resolve(
    connection: &Connection,
    shared: &Shared,
    epochs: &Epochs,
    cursor: Cursor,
) -> Result<Option<i64>, Fault> {
    match epochs.resolve(cursor, shared.head.load(Ordering::SeqCst)) {
        Some(from) => Ok(Some(from)),
        None => Ok(epochs.resolve(cursor, newest_seq(connection)?)),
    }
}

/// Begins a new epoch after everything that the database holds, and makes it the current one.
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
    *shared.epochs.write().unwrap_or_else(PoisonError::into_inner) = Epochs::new(&all).map(Arc::new);
    Ok(())
}
