//! Accounts, as their owners see them.

use serde::Serialize;
use tidelog_protocol::Timestamp;
use uuid::Uuid;

use crate::clock::MICROS_PER_SECOND;

/// How long a person stays signed in to their account, in microseconds: a quarter of an hour, whatever they do.
pub const ACCOUNT_SESSION_US: i64 = 15 * 60 * MICROS_PER_SECOND;

/// A session of one of a user's apps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserSession {
    /// Names it.
    pub id: Uuid,
    /// Name of the app.
    pub app: String,
    /// Names of the devices that it has spoken for.
    pub devices: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends, unless it is refreshed.
    pub expires_at: Timestamp,
}

/// A device of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserDevice {
    /// Names it for ever.
    pub id: Uuid,
    /// Name of the app.
    pub app: String,
    /// What it is called.
    pub device_name: String,
    /// What it runs on.
    pub platform: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last heard of.
    pub last_seen_at: Timestamp,
}
