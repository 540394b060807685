//! What a client has seen, in the form in which a program stores it.

use serde::{Deserialize, Serialize};
use tidelog_protocol::Cursor;
use uuid::Uuid;

use super::streams::Position;
use crate::formats::keys::VAULT_ID_BYTES;
use crate::formats::stream::StreamId;

/// What a client has seen of a log, small enough to be stored with the cursor: where each stream stands.
///
/// No secret. Without it, a client that was restarted takes the streams as it finds them. Rows are not in it: heads are
/// compared by clients that have pulled from the beginning since they started, and by
/// [`verify`](crate::SyncKitClient::verify).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatchState {
    pub(super) device_id: Uuid,
    pub(super) vault_id: [u8; VAULT_ID_BYTES],
    pub(super) reached: Cursor,
    pub(super) joined_late: bool,
    pub(super) streams: Vec<(StreamId, Position)>,
}
