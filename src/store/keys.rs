//! Key envelopes: the encrypted master key that a log's devices share, and the rotation that is to replace it.

use rusqlite::{Connection, OptionalExtension, Row};

use super::Store;
use super::group::WriteTx;
use crate::error::Fault;
use crate::model::keys::{KeyEnvelope, KeyState, PutKeyOutcome, put};
use crate::model::rotations::{Keys, Phase, Rotation};
use crate::model::sessions::Caller;

const FIND: &str = "SELECT encrypted_key, key_version, revision FROM key_envelopes WHERE log = ?1";
const STATE: &str = "SELECT key_version, max_version_used, revision FROM key_envelopes WHERE log = ?1";
const OPEN_ROTATION: &str = "
    SELECT id, state = 'undoing', encrypted_key, key_version, remaining, started, began_at, blobs_remaining
    FROM rotations WHERE log = ?1 AND ended_at IS NULL";
const PUT: &str = "
    INSERT INTO key_envelopes (log, encrypted_key, key_version, max_version_used, revision, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (log) DO UPDATE SET encrypted_key = excluded.encrypted_key, key_version = excluded.key_version,
        max_version_used = excluded.max_version_used, revision = excluded.revision, updated_at = excluded.updated_at";

fn rotation_of(row: &Row<'_>) -> rusqlite::Result<Rotation> {
    Ok(Rotation {
        id: row.get(0)?,
        phase: if row.get(1)? { Phase::Undoing } else { Phase::Running },
        encrypted_key: row.get(2)?,
        key_version: row.get(3)?,
        remaining: row.get(4)?,
        started: row.get(5)?,
        began_at: row.get(6)?,
        blobs_remaining: row.get(7)?,
    })
}

/// Finds the keys of a log.
pub(super) fn find_keys(connection: &Connection, log: i64) -> Result<Keys, Fault> {
    let current = find_state(connection, log)?;
    let rotation = connection.prepare_cached(OPEN_ROTATION)?.query_row([log], rotation_of).optional()?;
    Ok(Keys { current, rotation })
}

/// Finds the envelope of a log.
pub(super) fn find(connection: &Connection, log: i64) -> Result<Option<KeyEnvelope>, Fault> {
    let from_row = |row: &Row<'_>| {
        Ok(KeyEnvelope { encrypted_key: row.get(0)?, key_version: row.get(1)?, revision: row.get(2)? })
    };
    Ok(connection.prepare_cached(FIND)?.query_row([log], from_row).optional()?)
}

/// Finds the versions and the revision of a log's envelope.
pub(super) fn find_state(connection: &Connection, log: i64) -> Result<KeyState, Fault> {
    let from_row = |row: &Row<'_>| {
        Ok(KeyState { key_version: row.get(0)?, max_version_used: row.get(1)?, revision: row.get(2)? })
    };
    Ok(connection.prepare_cached(STATE)?.query_row([log], from_row).optional()?.unwrap_or_default())
}

/// Stores the envelope of a log.
pub(super) fn store(
    tx: &mut WriteTx<'_>,
    log: i64,
    encrypted_key: &[u8],
    KeyState { key_version, max_version_used, revision }: KeyState,
) -> Result<(), Fault> {
    let row = (log, encrypted_key, key_version, max_version_used, revision, tx.now_us);
    tx.prepare_cached(PUT)?.execute(row)?;
    tx.cache.drop_log(log);
    Ok(())
}

impl Store {
    /// Finds the keys of a log.
    pub async fn find_keys(&self, log: i64) -> Result<Keys, Fault> {
        self.read(move |connection| find_keys(connection, log)).await
    }

    /// Finds the envelope of a log, and the running rotation that is to replace it.
    pub async fn find_key(&self, log: i64) -> Result<Option<(KeyEnvelope, Option<Rotation>)>, Fault> {
        self.read(move |connection| {
            let Some(envelope) = find(connection, log)? else { return Ok(None) };
            Ok(Some((envelope, find_keys(connection, log)?.running().cloned())))
        })
        .await
    }

    /// Replaces the envelope of the caller's log, if the caller knows the current one; see [`put`].
    pub async fn put_key(
        &self,
        caller: &Caller,
        encrypted_key: Vec<u8>,
        expected_revision: Option<u64>,
        key_version: Option<u32>,
    ) -> Result<PutKeyOutcome, Fault> {
        let log = caller.log;
        self.write_for(caller, 1, move |tx| {
            let keys = find_keys(tx, log)?;
            if keys.rotation.is_some() {
                return Ok(PutKeyOutcome::RotationInProgress);
            }
            let outcome = put(keys.current, expected_revision, key_version);
            if let PutKeyOutcome::Stored(stored) = outcome {
                store(tx, log, &encrypted_key, stored)?;
            }
            Ok(outcome)
        })
        .await
    }
}
