//! Where an event stream starts in its log.

use std::sync::Arc;

use tidelog_protocol::Cursor;

use super::batches::log_state;
use crate::error::Fault;
use crate::model::cursors::BASE_SEQ;
use crate::model::logs::{LogDevice, LogHead};
use crate::model::notifications::{StreamStart, StreamStartOutcome};
use crate::model::sessions::Caller;
use crate::store::batch_buffer::LogSnapshot;
use crate::store::epochs::{cursor_at, resolve};
use crate::store::shared::Shared;
use crate::store::{Store, devices, sessions};

impl Store {
    /// Finds where a stream starts in the caller's log. It must be subscribed already, so that it is told of what is
    /// committed later.
    ///
    /// # Errors
    /// [`Fault::SessionEnded`].
    pub async fn find_stream_start(
        &self,
        caller: &Arc<Caller>,
        start: StreamStart,
    ) -> Result<StreamStartOutcome, Fault> {
        let (caller, shared) = (caller.clone(), self.shared.clone());
        self.read_log(caller.log, move |log| find_stream_start(log, &shared, &caller, start)).await
    }
}

fn find_stream_start(
    log: &LogSnapshot<'_>,
    shared: &Shared,
    caller: &Caller,
    start: StreamStart,
) -> Result<StreamStartOutcome, Fault> {
    sessions::require_live(log.connection, caller.session)?;
    let device = match start.device {
        None => None,
        Some(id) => match devices::find_in_log(log.connection, log.log, id)? {
            Some(device) if !device.is_removed => Some(shared.progress.applied_to(device)),
            _ => return Ok(StreamStartOutcome::UnknownDevice),
        },
    };
    let epochs = shared.epochs()?;
    let head = log_state(log.connection, log.log, log.buffered_head())?.head;
    let has_missed = match start.cursor {
        None => None,
        Some(cursor) => match resolve(log.connection, shared, &epochs, cursor)? {
            Some(from) => Some(would_get(&head, device.as_ref(), cursor, from)),
            None => {
                let resume_from = device.map_or(BASE_SEQ, |device| device.resume_seq(cursor));
                return Ok(StreamStartOutcome::LogRewound(cursor_at(&epochs, caller, resume_from)));
            }
        },
    };
    Ok(StreamStartOutcome::Found { newest_seq: head.seq, has_missed, epoch: epochs.current().tag })
}

/// Whether a pull from here would give anything. A log records which device wrote a change, not which session: if no
/// device is named, every change counts.
fn would_get(head: &LogHead, device: Option<&LogDevice>, cursor: Cursor, from: i64) -> bool {
    match device {
        None => head.seq > from,
        // A pull from the start gives a device its own past, too.
        Some(_) if cursor == Cursor::Start => head.seq > from,
        Some(device) => head.newest_seq_of_others(device.id) > from || device.own_until.min(head.seq) > from,
    }
}
