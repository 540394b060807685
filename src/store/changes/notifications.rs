//! Where an event stream starts in its log.

use std::sync::Arc;

use rusqlite::Connection;
use tidelog_protocol::Cursor;

use super::{Device, cursor_at, find_device, find_log, resolve};
use crate::error::Fault;
use crate::model::cursors::BASE_SEQ;
use crate::model::log_heads::LogHead;
use crate::model::notifications::{StreamStart, StreamStartOutcome};
use crate::model::sessions::Caller;
use crate::store::{Shared, Store, sessions};

impl Store {
    /// Finds where a stream starts in the caller's log. It must be subscribed already, so that it is told of what is committed later.
    ///
    /// # Errors
    /// [`Fault::SessionEnded`].
    pub async fn find_stream_start(
        &self,
        caller: &Arc<Caller>,
        start: StreamStart,
    ) -> Result<StreamStartOutcome, Fault> {
        let (caller, shared) = (caller.clone(), self.shared.clone());
        self.read(move |connection| find_stream_start(connection, &shared, &caller, start)).await
    }
}

fn find_stream_start(
    connection: &Connection,
    shared: &Shared,
    caller: &Caller,
    start: StreamStart,
) -> Result<StreamStartOutcome, Fault> {
    let tail_end = shared.tails.newest_seq(caller.log);
    sessions::require(connection, caller.session)?;
    let device = match start.device {
        None => None,
        Some(id) => match find_device(connection, id, caller.log)? {
            Some(device) if !device.removed => Some(device.as_seen(shared)),
            _ => return Ok(StreamStartOutcome::UnknownDevice),
        },
    };
    let epochs = shared.epochs()?;
    let head = find_log(connection, caller.log, tail_end)?.head;
    let has_missed = match start.cursor {
        None => None,
        Some(cursor) => match resolve(connection, shared, &epochs, cursor)? {
            Some(from) => Some(would_get(&head, device.as_ref(), cursor, from)),
            None => {
                let resume_from = device.map_or(BASE_SEQ, |device| device.resume_seq(cursor));
                return Ok(StreamStartOutcome::LogRewound(cursor_at(&epochs, caller, resume_from)));
            }
        },
    };
    Ok(StreamStartOutcome::Found { newest_seq: head.seq, has_missed, epoch: epochs.current().tag })
}

/// Whether a pull from here would give anything. A log knows of each change which device wrote it, not which session: where no
/// device is named, every change counts.
fn would_get(head: &LogHead, device: Option<&Device>, cursor: Cursor, from: i64) -> bool {
    match device {
        None => head.seq > from,
        // A pull from the beginning gives a device its own past, too.
        Some(_) if cursor == Cursor::Start => head.seq > from,
        Some(device) => head.foreign_seq(device.id) > from || device.own_until.min(head.seq) > from,
    }
}
