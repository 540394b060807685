//! Which devices a session has used, so that removing a device ends the sessions that used it.
//!
//! Every push and pull needs its session linked to its device in `session_devices`. Links that were seen there are
//! kept in memory. They need no invalidation: a link goes only with its session or its device, and those are checked
//! each time anyway, by readers in the database and by the writer in its cache.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use rusqlite::Connection;
use uuid::Uuid;

use crate::error::Fault;

/// Links in memory; beyond that all are dropped, which costs a lookup each.
const MAX_LINKS: usize = 100_000;
const EXISTS: &str = "
    SELECT 1 FROM session_devices JOIN sessions ON sessions.id = session_devices.session
        JOIN devices ON devices.id = session_devices.device
    WHERE sessions.uuid = ?1 AND devices.uuid = ?2";

/// A session and a device that it has used.
pub(super) type Link = (Uuid, Uuid);

/// Links that are known to be in the database.
#[derive(Default)]
pub(super) struct SessionDevices(RwLock<HashSet<Link>>);

impl SessionDevices {
    pub(super) fn contains(&self, session: Uuid, device: Uuid) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&(session, device))
    }

    /// Keeps links that are committed.
    pub(super) fn keep(&self, new: impl IntoIterator<Item = Link>) {
        let mut new = new.into_iter().peekable();
        if new.peek().is_none() {
            return;
        }
        let mut links = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if links.len() >= MAX_LINKS {
            links.clear();
        }
        links.extend(new);
    }
}

/// Whether the database holds the link.
pub(super) fn exists(connection: &Connection, (session, device): Link) -> Result<bool, Fault> {
    Ok(connection.prepare_cached(EXISTS)?.exists((session.as_bytes(), device.as_bytes()))?)
}
