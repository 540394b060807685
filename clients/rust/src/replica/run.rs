//! Keeping a replica live: it exchanges changes when there are any, and tells how it is doing.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::Replica;
use super::error::{ReplicaError, Result};
use super::marks;
use super::status::{Setback, Status};
use crate::SyncKitClient;

/// How often the database is asked whether somebody has committed something. Takes a few microseconds.
const LOOK: Duration = Duration::from_millis(20);

/// How often a replica that is blocked looks whether it still is.
const BLOCKED_WAIT: Duration = Duration::from_secs(30);

/// Bounds of the wait before the server is tried again.
const OFFLINE_WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// Why a replica goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// Something was written here.
    LocalChange,
    /// Something may have been written elsewhere.
    RemoteChange,
}
