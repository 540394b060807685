//! Which entries a pull asks for.

use chrono::{DateTime, Utc};
use tidelog_protocol::{Cursor, InvalidTimestamp, PullRequest, Timestamp};
use uuid::Uuid;

use crate::formats::Vault;
use crate::{Result, SyncKitError};

/// Which entries to pull. The default is all of them, in pages of the server's size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullFilter {
    /// Only entries of these tables; `None` for all.
    pub tables: Option<Vec<String>>,
    /// Only entries with this timestamp or a later one.
    pub since: Option<DateTime<Utc>>,
    /// At most this many entries per page; the server's limit applies as well.
    pub limit: Option<usize>,
    /// Whether to include the device's own entries. `None` leaves it to the server, which includes those written
    /// before a pull from the start, so that a reinstalled device gets its past back, and leaves out later ones.
    pub include_own: Option<bool>,
}

impl PullFilter {
    /// Whether entries are left out, so that gaps prove nothing.
    pub(super) fn leaves_out(&self) -> bool {
        self.tables.is_some() || self.since.is_some() || self.include_own == Some(false)
    }

    /// Whether the server takes the pull as progress of the device.
    pub(super) fn counts_as_progress(&self) -> bool {
        self.tables.is_none() && self.since.is_none()
    }

    /// The request, with the names of tables as they are on the wire.
    pub(super) fn into_request(self, vault: &Vault, device_id: Uuid, cursor: Cursor) -> Result<PullRequest> {
        let wire_name = |table: String| Ok(vault.wire_names(&table, "")?.table.into_owned());
        let tables = self.tables.map(|tables| tables.into_iter().map(wire_name).collect::<Result<Vec<_>>>());
        let since = self.since.map(Timestamp::try_from).transpose();
        let since = since.map_err(|reason: InvalidTimestamp| SyncKitError::InvalidField {
            field: String::from("since"),
            reason: reason.to_string(),
        })?;
        Ok(PullRequest {
            device_id,
            cursor,
            limit: self.limit,
            tables: tables.transpose()?,
            since,
            include_own: self.include_own,
        })
    }
}
