//! Exports: everything that the server stores about a user in one app.

use std::sync::Arc;

use serde::Serialize;
use tidelog_protocol::Timestamp;
use uuid::Uuid;

use super::keys::KeyEnvelope;
use super::rotations::Rotation;
use super::sessions::Caller;

/// A device. Removed ones are exported, too: they are the authors of changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportedDevice {
    /// The device's id, as in changes.
    pub id: Uuid,
    /// The device's name.
    pub device_name: String,
    /// The device's platform.
    pub platform: String,
    /// Identifies the installation, if the client sent it.
    pub install_id: Option<Uuid>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last pushed or pulled.
    pub last_seen_at: Timestamp,
    /// When it was removed, if it was.
    pub removed_at: Option<Timestamp>,
}

/// Whose data is exported, and what allows it.
#[derive(Clone, Debug)]
pub struct ExportRequester {
    /// The user in one app.
    pub caller: Arc<Caller>,
    /// What allows the export.
    pub grant: ExportGrant,
}

/// What allows a user to export their data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportGrant {
    /// The caller's session, while it is live.
    Session,
    /// An account session, as long as the user is not disabled.
    Account,
}

/// What there is to export, but for changes and blobs.
#[derive(Clone, Debug)]
pub struct ExportSummary {
    /// The app's name.
    pub app_name: String,
    /// The user's email, if there is one.
    pub email: Option<String>,
    /// Every device.
    pub devices: Vec<ExportedDevice>,
    /// The newest seq of the log.
    pub head_seq: i64,
    /// Number of changes up to it.
    pub total_changes: u64,
    /// The key envelope, if there is one.
    pub envelope: Option<KeyEnvelope>,
    /// The running rotation, if there is one.
    pub rotation: Option<Rotation>,
}

impl ExportSummary {
    /// The key versions under which changes may be encrypted: the current one, and that of a running rotation.
    pub fn key_versions(&self) -> (Option<u32>, Option<u32>) {
        let current = self.envelope.as_ref().map(|envelope| envelope.key_version);
        (current, self.rotation.as_ref().map(|rotation| rotation.key_version))
    }
}
