//! Applies pages of the log, each in one transaction together with the cursor.

use rusqlite::Connection;
use tidelog_protocol::Cursor;

use super::entries::{IncomingEntry, UnreadableEntry};
use super::merge::Merge;
use crate::replica::error::Result;
use crate::replica::local::database::Database;
use crate::replica::local::rejection::Rejections;
use crate::replica::local::table::Table;
use crate::replica::metadata::clock::{TimestampBound, set_applying};
use crate::replica::metadata::state::ReplicaState;
use crate::replica::metadata::{outbox, tombstones};
use crate::replica::values::row_key::RowKey;

/// A pulled page.
pub(crate) struct IncomingPage {
    pub(crate) entries: Vec<IncomingEntry>,
    pub(crate) unreadable: Vec<UnreadableEntry>,
    /// The position that was pulled from.
    pub(crate) from: Cursor,
    /// The position after the page.
    pub(crate) cursor: Cursor,
    /// Whether the log ended with this page.
    pub(crate) caught_up: bool,
    /// What the client has verified of the log, as JSON.
    pub(crate) watch: Option<String>,
    /// The number of entries in the log, as far as it was read, that belong to the replica's current stream.
    pub(crate) own_entries: u64,
}

/// Rows that have changed, by the names of their tables.
pub(crate) type ChangedRows = Vec<(String, RowKey)>;

/// Applies a page, unless another process of the app has moved the cursor in the meantime.
pub(crate) fn apply_page(
    database: &mut Database,
    page: &IncomingPage,
    bound: TimestampBound,
) -> Result<ChangedRows> {
    let rejections = Rejections::default();
    loop {
        let known = rejections.len();
        match try_to_apply(database, page, bound, &rejections) {
            // A trigger has rolled back everything. Its row is left out the next time, so this ends.
            Err(_) if rejections.len() > known => {}
            outcome => return outcome,
        }
    }
}

fn try_to_apply(
    database: &mut Database,
    page: &IncomingPage,
    bound: TimestampBound,
    rejections: &Rejections,
) -> Result<ChangedRows> {
    let (transaction, tables) = database.begin()?;
    let mut state = ReplicaState::load(&transaction)?;
    if state.cursor != page.from {
        return Ok(Vec::new());
    }
    set_applying(&transaction, true)?;
    let mut merge = Merge::new(&transaction, tables, bound, state.generation, page.caught_up, rejections)?;
    merge.report_unreadable(&page.unreadable)?;
    merge.apply(page.entries.clone())?;
    if page.caught_up {
        merge.retry_not_applied()?;
        if state.rebuilding {
            merge.delete_unseen()?;
        }
        merge.repair_references(state.references_unchecked)?;
        tombstones::remove_clean(&transaction)?;
    }
    let changed = merge.take_changed();
    state.advance(page.cursor);
    state.watch = page.watch.clone().or(state.watch);
    state.references_unchecked = !page.caught_up;
    state.rebuilding &= !page.caught_up;
    // The app's database was restored from a copy, and lacks entries that it has sent. Continuing its stream would
    // fork it.
    let is_behind = state.stream.as_ref().is_some_and(|stream| stream.counter() < page.own_entries);
    if is_behind && !outbox::is_occupied(&transaction)? {
        state.stream = None;
    }
    state.save(&transaction)?;
    set_applying(&transaction, false)?;
    transaction.commit()?;
    Ok(changed)
}

/// Applies entries that were kept until the app had their table, inside the transaction that attaches it.
pub(crate) fn apply_kept_entries(
    connection: &Connection,
    tables: &[Table],
    entries: Vec<IncomingEntry>,
) -> Result<ChangedRows> {
    set_applying(connection, true)?;
    let generation = ReplicaState::load(connection)?.generation;
    let rejections = Rejections::default();
    let mut merge = Merge::new(connection, tables, TimestampBound::new(0), generation, true, &rejections)?;
    merge.apply(entries)?;
    merge.repair_references(false)?;
    set_applying(connection, false)?;
    Ok(merge.take_changed())
}
