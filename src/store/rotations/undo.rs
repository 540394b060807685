//! Undoing a rotation: the operator restores what it replaced, and the key.

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::batch::{ALLOW_REWRITES, FORBID_REWRITES};
use super::expiry::{UNDO_PERIOD_US, next_step_end};
use crate::error::Fault;
use crate::model::rotations::RotationRow;
use crate::notify::Event;
use crate::store::changes::adjust_bytes;
use crate::store::group::WriteTx;
use crate::store::timestamps::timestamp;
use crate::store::{Store, keys, users};

const LOG: &str = "
    SELECT logs.id FROM logs JOIN apps ON apps.id = logs.app WHERE logs.user = ?1 AND apps.uuid = ?2";
/// The newest rotation that did anything and has not been undone.
const NEWEST: &str = "
    SELECT id, log, key_version, replaced_version, state = 'undoing', ended_at FROM rotations
    WHERE log = ?1 AND state IN ('running', 'completed', 'undoing') ORDER BY id DESC LIMIT 1";
const RESTORE_KEY: &str = "
    UPDATE key_envelopes SET (encrypted_key, key_version) =
            (SELECT replaced_key, replaced_version FROM rotations WHERE id = ?2),
        revision = revision + 1, updated_at = ?3
    WHERE log = ?1";
const BEGIN: &str = "UPDATE rotations SET state = 'undoing', ended_at = NULL WHERE id = ?1";
const END: &str = "UPDATE rotations SET state = 'undone', ended_at = ?2 WHERE id = ?1";
/// By how many bytes data grows when a step is restored.
const GROWTH: &str = "
    SELECT coalesce(sum(
        CASE typeof(old.data) WHEN 'blob' THEN (octet_length(old.data) + 2) / 3 * 4 ELSE octet_length(old.data) END -
        CASE typeof(new.data) WHEN 'blob' THEN (octet_length(new.data) + 2) / 3 * 4 ELSE octet_length(new.data) END), 0)
    FROM rotation_replaced_entries AS old CROSS JOIN changes AS new ON new.seq = old.seq
    WHERE old.rotation = ?1 AND old.seq <= ?2 AND new.key_version = ?3";
const RESTORE: &str = "
    UPDATE changes SET data = old.data, key_version = old.key_version FROM rotation_replaced_entries AS old
    WHERE old.rotation = ?1 AND old.seq <= ?2 AND changes.seq = old.seq AND changes.key_version = ?3";
const FORGET: &str = "DELETE FROM rotation_replaced_entries WHERE rotation = ?1 AND seq <= ?2";
const BLOB_KEYS_END: &str = "
    SELECT max(object) FROM (
        SELECT object FROM rotation_replaced_blob_keys WHERE rotation = ?1 ORDER BY object LIMIT 1000)";
/// The object of a blob that was removed is not found, even if its hash was uploaded again.
const RESTORE_BLOB_KEYS: &str = "
    UPDATE blobs SET wrapped_key = old.wrapped_key, key_version = old.key_version
    FROM rotation_replaced_blob_keys AS old
    WHERE old.rotation = ?1 AND old.object <= ?2 AND blobs.object = old.object AND blobs.key_version = ?3";
const FORGET_BLOB_KEYS: &str = "DELETE FROM rotation_replaced_blob_keys WHERE rotation = ?1 AND object <= ?2";
const COUNT_BLOB_KEYS: &str = "SELECT count(*) FROM blobs WHERE log = ?1 AND key_version >= ?2";
const LIST: &str = "
    SELECT users.uuid, users.email, apps.name, rotations.state, rotations.key_version,
        rotations.remaining + rotations.blobs_remaining, rotations.began_at,
        rotations.ended_at
    FROM rotations JOIN logs ON logs.id = rotations.log JOIN users ON users.id = logs.user JOIN apps ON apps.id = logs.app
    ORDER BY rotations.id";

/// What an undo has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UndoReport {
    /// The version of the current key from now on.
    pub key_version: u32,
    /// Entries that this run restored to what they were before the rotation.
    pub put_back: u64,
    /// Entries that stay under a newer key because they were written under it.
    pub left: u64,
    /// Wrapped keys of blobs that this run restored.
    pub blob_keys_put_back: u64,
    /// Wrapped keys of blobs that stay under a newer master key.
    pub blob_keys_left: u64,
}

/// The outcome of an undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UndoOutcome {
    /// It is done.
    Undone(UndoReport),
    /// This user has never signed in to this app.
    NoLog,
    /// No rotation is running, and none was completed in the last seven days.
    Nothing,
    /// The key of the newest rotation has been replaced by another one since.
    KeyReplaced,
}

/// A rotation that is being undone.
#[derive(Clone, Copy)]
struct Undoing {
    id: i64,
    log: i64,
    key_version: u32,
    /// `None`: it was never completed.
    replaced_version: Option<u32>,
    has_begun: bool,
    ended_at: Option<i64>,
}

impl Store {
    /// Lists every rotation that can be undone or has not expired yet, the oldest first.
    pub async fn list_rotations(&self) -> Result<Vec<RotationRow>, Fault> {
        self.read(|connection| {
            let from_row = |row: &Row<'_>| {
                Ok(RotationRow {
                    user: Uuid::from_bytes(row.get(0)?),
                    email: row.get(1)?,
                    app_name: row.get(2)?,
                    state: row.get(3)?,
                    key_version: row.get(4)?,
                    remaining: row.get(5)?,
                    began_at: timestamp(row.get(6)?),
                    ended_at: row.get::<_, Option<i64>>(7)?.map(timestamp),
                })
            };
            let rows: Vec<RotationRow> =
                connection.prepare_cached(LIST)?.query_map([], from_row)?.collect::<Result<_, _>>()?;
            Ok(rows)
        })
        .await
    }

    /// Undoes the newest rotation of a user's log, whether it is running or was completed in the last seven days. The
    /// key is restored first, so that nothing more is encrypted under the newer one; entries follow in steps. If the
    /// program stops in between, calling this again continues.
    pub async fn undo_rotation(&self, user: String, app: Uuid) -> Result<UndoOutcome, Fault> {
        let undoing = match self.write(1, move |tx| begin(tx, &user, app)).await? {
            Ok(undoing) => undoing,
            Err(outcome) => return Ok(outcome),
        };
        let mut blob_keys_put_back = 0;
        while let Some(some) = self.write(1, move |tx| blob_keys_step(tx, undoing)).await? {
            blob_keys_put_back += some;
        }
        let mut put_back = 0;
        while let Some(some) = self.write(1, move |tx| step(tx, undoing)).await? {
            put_back += some;
        }
        let left = self.count_under(undoing.log, undoing.key_version).await?;
        let under = (undoing.log, undoing.key_version);
        let blob_keys_left = self.read(move |connection| {
            Ok(connection.prepare_cached(COUNT_BLOB_KEYS)?.query_row(under, |row| row.get(0))?)
        });
        let blob_keys_left = blob_keys_left.await?;
        let key_version = self.find_keys(undoing.log).await?.current.key_version;
        Ok(UndoOutcome::Undone(UndoReport {
            key_version,
            put_back,
            left,
            blob_keys_put_back,
            blob_keys_left,
        }))
    }
}

fn find(connection: &Connection, log: i64) -> Result<Option<Undoing>, Fault> {
    let from_row = |row: &Row<'_>| {
        Ok(Undoing {
            id: row.get(0)?,
            log: row.get(1)?,
            key_version: row.get(2)?,
            replaced_version: row.get(3)?,
            has_begun: row.get(4)?,
            ended_at: row.get(5)?,
        })
    };
    Ok(connection.prepare_cached(NEWEST)?.query_row([log], from_row).optional()?)
}

fn begin(tx: &mut WriteTx<'_>, user: &str, app: Uuid) -> Result<Result<Undoing, UndoOutcome>, Fault> {
    let Some((user, _)) = users::find(tx, user)? else { return Ok(Err(UndoOutcome::NoLog)) };
    let log: Option<i64> =
        tx.prepare_cached(LOG)?.query_row((user, app.as_bytes()), |row| row.get(0)).optional()?;
    let Some(log) = log else { return Ok(Err(UndoOutcome::NoLog)) };
    let is_old = |ended_at: i64| ended_at <= tx.now_us - UNDO_PERIOD_US;
    let undoing = match find(tx, log)? {
        None => return Ok(Err(UndoOutcome::Nothing)),
        Some(newest) if newest.ended_at.is_some_and(is_old) => return Ok(Err(UndoOutcome::Nothing)),
        Some(newest) => newest,
    };
    if undoing.has_begun {
        return Ok(Ok(undoing));
    }
    if undoing.replaced_version.is_some() {
        if keys::find_state(tx, log)?.key_version != undoing.key_version {
            return Ok(Err(UndoOutcome::KeyReplaced));
        }
        tx.prepare_cached(RESTORE_KEY)?.execute((log, undoing.id, tx.now_us))?;
    }
    tx.prepare_cached(BEGIN)?.execute([undoing.id])?;
    tx.publish(Event::KeysChanged { log });
    Ok(Ok(undoing))
}

/// Restores some entries. `None`: none are left, and the rotation has ended.
fn step(tx: &mut WriteTx<'_>, undoing: Undoing) -> Result<Option<u64>, Fault> {
    let Undoing { id, log, key_version, .. } = undoing;
    let Some(end) = next_step_end(tx, id)? else {
        tx.prepare_cached(END)?.execute((id, tx.now_us))?;
        return Ok(None);
    };
    let growth = tx.prepare_cached(GROWTH)?.query_row((id, end, key_version), |row| row.get(0))?;
    tx.prepare_cached(ALLOW_REWRITES)?.execute([])?;
    let put_back = tx.prepare_cached(RESTORE)?.execute((id, end, key_version))?;
    tx.prepare_cached(FORBID_REWRITES)?.execute([])?;
    tx.prepare_cached(FORGET)?.execute((id, end))?;
    adjust_bytes(tx, log, growth)?;
    Ok(Some(put_back as u64))
}

/// Restores some wrapped keys of blobs. `None`: none are left.
fn blob_keys_step(tx: &WriteTx<'_>, undoing: Undoing) -> Result<Option<u64>, Fault> {
    let Undoing { id, key_version, .. } = undoing;
    let end: Option<[u8; 16]> = tx.prepare_cached(BLOB_KEYS_END)?.query_row([id], |row| row.get(0))?;
    let Some(end) = end else { return Ok(None) };
    let put_back = tx.prepare_cached(RESTORE_BLOB_KEYS)?.execute((id, end, key_version))?;
    tx.prepare_cached(FORGET_BLOB_KEYS)?.execute((id, end))?;
    Ok(Some(put_back as u64))
}
