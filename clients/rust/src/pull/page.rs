//! What a pull returns.

use tidelog_protocol::Cursor;
use uuid::Uuid;

use crate::change::ChangeEntry;
use crate::evidence::Evidence;
use crate::quarantine::QuarantinedEntry;

/// An entry that was pulled and opened.
#[derive(Clone, Debug, PartialEq)]
pub struct PulledChange {
    /// The change.
    pub entry: ChangeEntry,
    /// Its number in the log.
    pub seq: i64,
    /// The device that pushed it.
    pub device_id: Uuid,
    /// The version of the master key that it was sealed under.
    pub key_version: u32,
}

/// One page of a pull.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PulledPage {
    /// The entries that opened, in the order of the log.
    pub changes: Vec<PulledChange>,
    /// The entries that are quarantined, in the order of the log.
    pub quarantined: Vec<QuarantinedEntry>,
    /// What this page proves against the server. Always empty under
    /// [`TamperPolicy::Refuse`](crate::TamperPolicy::Refuse), where the pull fails instead.
    pub evidence: Vec<Evidence>,
    /// Where the next page starts. Store it together with what was applied.
    pub cursor: Cursor,
    /// Whether there is a next page now.
    pub has_more: bool,
}
