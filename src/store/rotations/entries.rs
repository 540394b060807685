//! Pages of the entries that a rotation has left to do.

use tidelog_protocol::Cursor;

use crate::error::Fault;
use crate::model::changes::EntrySink;
use crate::model::cursors::BASE_SEQ;
use crate::model::rotations::EntriesOutcome;
use crate::model::sessions::Caller;
use crate::store::batch_buffer::LogSnapshot;
use crate::store::changes::{LogScan, Selection};
use crate::store::epochs::{cursor_at, resolve};
use crate::store::keys::find_keys;
use crate::store::shared::Shared;
use crate::store::{Store, sessions};

impl Store {
    /// Gives the sink entries of the caller's log that the running rotation has left to do, one page of them.
    pub async fn rotation_entries<S: EntrySink>(
        &self,
        caller: &Caller,
        cursor: Cursor,
        limit: usize,
        mut sink: S,
    ) -> Result<(EntriesOutcome, S), Fault> {
        let (caller, shared) = (caller.clone(), self.shared.clone());
        self.read_log(caller.log, move |log| {
            let page = page(log, &shared, &caller, cursor, limit, &mut sink)?;
            Ok((page, sink))
        })
        .await
    }
}

fn page(
    log: &LogSnapshot<'_>,
    shared: &Shared,
    caller: &Caller,
    cursor: Cursor,
    limit: usize,
    sink: &mut impl EntrySink,
) -> Result<EntriesOutcome, Fault> {
    sessions::require_live(log.connection, caller.session)?;
    let keys = find_keys(log.connection, log.log)?;
    let Some(rotation) = keys.running() else { return Ok(EntriesOutcome::NoRotation) };
    let epochs = shared.epochs()?;
    let Some(from) = resolve(log.connection, shared, &epochs, cursor)? else {
        return Ok(EntriesOutcome::LogRewound(cursor_at(&epochs, caller, BASE_SEQ)));
    };
    let end = LogScan::page(log, Selection::Rotation(rotation), from, limit, sink)?;
    Ok(EntriesOutcome::Page {
        cursor: cursor_at(&epochs, caller, end.reached),
        has_more: end.has_more,
        remaining: rotation.remaining,
    })
}
