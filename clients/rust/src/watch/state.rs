//! What a client has seen of a log, in the form in which a program stores it.

use serde::{Deserialize, Serialize};
use tidelog_protocol::Cursor;
use uuid::Uuid;

use super::streams::StreamPosition;
use crate::formats::keys::VAULT_ID_BYTES;
use crate::formats::{StreamId, Vault};

/// Whose view of which log: a device, and the vault that the log is sealed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ViewId {
    pub(crate) device_id: Uuid,
    pub(crate) vault_id: [u8; VAULT_ID_BYTES],
}

impl ViewId {
    pub(crate) fn new(device_id: Uuid, vault: &Vault) -> Self {
        Self { device_id, vault_id: vault.vault_id() }
    }
}

/// What a client has seen of a log, small enough to be stored with the cursor: the position of each stream.
///
/// It is no secret. Without it, a client that was restarted takes the streams as it finds them. Rows are not part of
/// it: heads are compared by clients that have pulled from the start of the log in this run, and by
/// [`verify`](crate::SyncKitClient::verify).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatchState {
    pub(super) device_id: Uuid,
    pub(super) vault_id: [u8; VAULT_ID_BYTES],
    pub(super) reached: Cursor,
    pub(super) joined_late: bool,
    pub(super) streams: Vec<(StreamId, StreamPosition)>,
}
