//! What a user takes along: everything that the server has of them in one app.

use std::sync::Arc;

use serde::Serialize;
use tidelog_protocol::Timestamp;
use uuid::Uuid;

use super::keys::KeyEnvelope;
use super::rotations::Rotation;
use super::sessions::Caller;

/// A device, removed ones included: they are the authors of changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportedDevice {
    /// Names it in changes.
    pub id: Uuid,
    /// What its owner calls it.
    pub device_name: String,
    /// What it is.
    pub platform: String,
    /// Tells it from others of its name, if the client said so.
    pub install_id: Option<Uuid>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last heard of.
    pub last_seen_at: Timestamp,
    /// When it was removed, if it was.
    pub removed_at: Option<Timestamp>,
}

/// Whose data an archive holds, and on whose word it is made.
#[derive(Clone, Debug)]
pub struct Taker {
    /// The user in one app.
    pub caller: Arc<Caller>,
    /// What lets them.
    pub by: TakenBy,
}

/// What lets a user take their data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenBy {
    /// The caller's session, while it lives.
    Session,
    /// Their account, to which they were logged in when they asked, while it may sign in.
    Account,
}

/// What there is, but for changes and blobs.
#[derive(Clone, Debug)]
pub struct Outline {
    /// The app's name.
    pub app_name: String,
    /// The user's address, if there is one.
    pub email: Option<String>,
    /// Every device.
    pub devices: Vec<ExportedDevice>,
    /// The newest seq of the log.
    pub head_seq: i64,
    /// Changes up to it.
    pub total_changes: u64,
    /// The sealed master key, if there is one.
    pub envelope: Option<KeyEnvelope>,
    /// The rotation that runs, if one does.
    pub pending: Option<Rotation>,
}

impl Outline {
    /// The versions of the keys under which changes may lie: an archive holds those of both ends of the time that it took to make.
    pub fn key_versions(&self) -> (Option<u32>, Option<u32>) {
        let current = self.envelope.as_ref().map(|envelope| envelope.key_version);
        (current, self.pending.as_ref().map(|pending| pending.key_version))
    }
}
