//! One batch, filled change by change by an owner that keeps it until it is acknowledged, across restarts.

use bytes::Bytes;
use tidelog_protocol::{Change, Cursor, Limits, Op, PushRequest};
use uuid::Uuid;

use super::{BODY_FRAME_BYTES, Sealing, json_bytes_of, payloads_of, seal_change};
use crate::encryption::HeldKey;
use crate::formats::{Head, Names, Padding, Slot, Stream, Vault, open_entry};
use crate::transport::{from_json, to_json};
use crate::watch::{OwnEntry, Place};
use crate::{ChangeEntry, Result, SyncKitError};

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is in the batch.
    Yes,
    /// It is one for the next batch.
    Full,
    /// No batch can hold it.
    TooLarge {
        /// Bytes that the server takes.
        limit: usize,
    },
}

/// What all changes of a batch have in common.
pub(crate) struct Common<'s> {
    pub(crate) vault: &'s Vault,
    pub(crate) padding: Padding,
    /// For the first entry: what this client has seen.
    pub(crate) head: Option<Head>,
    pub(crate) limits: &'s Limits,
    /// Changes, at most; the server's cap holds as well.
    pub(crate) max_changes: usize,
    pub(crate) device_id: Uuid,
    /// The batch is refused if other devices have written beyond this.
    pub(crate) expected_cursor: Cursor,
}

/// A batch that is being filled.
pub(crate) struct BatchBuilder<'s> {
    common: Common<'s>,
    stream: Stream,
    changes: Vec<Change<'static>>,
    bytes: usize,
}

impl<'s> BatchBuilder<'s> {
    pub(crate) fn new(common: Common<'s>, stream: Stream) -> Self {
        Self { common, stream, changes: Vec::new(), bytes: 0 }
    }

    /// Seals the change into the batch, if there is room.
    pub(crate) fn add(&mut self, change: &ChangeEntry) -> Result<Added> {
        let Common { vault, padding, limits, max_changes, .. } = self.common;
        if self.changes.len() >= limits.max_changes_per_push.min(max_changes).max(1) {
            return Ok(Added::Full);
        }
        // Sealing moves the stream, so a change that does not fit is sealed on one that is thrown away.
        let mut stream = self.stream.clone();
        let head = self.common.head.filter(|_| self.changes.is_empty());
        let mut sealing = Sealing { vault, stream: &mut stream, padding, head, limits };
        let payload = payloads_of(std::slice::from_ref(change))?.pop().flatten();
        let sealed = match seal_change(&mut sealing, 0, change, &payload) {
            Ok((sealed, _)) => sealed,
            Err(SyncKitError::ChangeTooLarge { limit, .. }) => return Ok(Added::TooLarge { limit }),
            Err(error) => return Err(error),
        };
        let (bytes, room) = (json_bytes_of(&sealed), limits.max_body_bytes.saturating_sub(BODY_FRAME_BYTES));
        if bytes > room {
            return Ok(Added::TooLarge { limit: limits.max_body_bytes });
        }
        if self.bytes + bytes > room {
            return Ok(Added::Full);
        }
        self.bytes += bytes;
        self.changes.push(sealed);
        self.stream = stream;
        Ok(Added::Yes)
    }

    /// The request, and where the stream stands after it; `None` if there is no change in it.
    pub(crate) fn finish(self) -> Result<Option<(Bytes, Stream)>> {
        if self.changes.is_empty() {
            return Ok(None);
        }
        let request = PushRequest {
            device_id: self.common.device_id,
            batch_id: Uuid::now_v7(),
            changes: self.changes,
            expected_cursor: Some(self.common.expected_cursor),
        };
        Ok(Some((to_json(&request)?, self.stream)))
    }
}

/// The entries of a batch that was kept, for when the server has taken them; `None` if they are under a key that is gone.
pub(crate) fn own_entries(key: &HeldKey, body: &[u8]) -> Result<Option<Vec<OwnEntry>>> {
    let request: PushRequest<'_> = from_json(body)?;
    Ok(request.changes.iter().map(|change| own_entry(key, change)).collect())
}

fn own_entry(key: &HeldKey, change: &Change<'_>) -> Option<OwnEntry> {
    let op: Op = change.op.parse().ok()?;
    let key_version = change.key_version?;
    let slot = Slot {
        table: &change.table,
        row_id: &change.row_id,
        op,
        timestamp_us: change.timestamp.as_micros(),
        key_version,
    };
    let opened = open_entry(key.vault_for(key_version), &slot, change.data.as_ref()?).ok()?;
    let wire = Names::new(&change.table, &change.row_id).into_owned();
    Some(OwnEntry { wire, deletes: op == Op::Delete, place: Place::of(0, &opened) })
}
