//! Devices: registering, listing and removing them.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row};
use tidelog_protocol::{Device, Platform};
use uuid::Uuid;

use super::group::WriteTx;
use super::timestamps::timestamp;
use super::{Store, audit, device_progress, sessions};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::devices::{DeviceRow, NewDevice, candidate_names};
use crate::model::logs::LogDevice;
use crate::model::sessions::Caller;
use crate::notify::Event;

const COLUMNS: &str = "
    SELECT devices.uuid, apps.uuid, users.uuid, devices.name, devices.platform, devices.created_at,
        devices.last_seen_at, users.email, apps.name, devices.id
    FROM devices JOIN logs ON logs.id = devices.log JOIN apps ON apps.id = logs.app JOIN users ON users.id = logs.user
    WHERE devices.removed_at IS NULL";
const LINK: &str = "
    INSERT OR IGNORE INTO session_devices (session, device)
    SELECT sessions.id, devices.id FROM sessions, devices
    WHERE sessions.uuid = ?1 AND devices.uuid = ?2 AND devices.removed_at IS NULL";
const BY_INSTALL: &str = "SELECT id FROM devices WHERE log = ?1 AND install_id = ?2 AND removed_at IS NULL";
const BY_NAME: &str = "SELECT id FROM devices WHERE log = ?1 AND name = ?2 AND removed_at IS NULL";
const INSERT: &str = "
    INSERT INTO devices (uuid, log, name, platform, install_id, created_at, last_seen_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)";
const UPDATE: &str = "UPDATE devices SET platform = ?2, last_seen_at = ?3 WHERE id = ?1";
const FIND_LIVE: &str =
    "SELECT id, log FROM devices WHERE uuid = ?1 AND removed_at IS NULL AND (?2 IS NULL OR log = ?2)";
const REMOVE: &str = "UPDATE devices SET removed_at = ?2 WHERE id = ?1";
const COUNT_LIVE: &str = "SELECT count(*) FROM devices WHERE log = ?1 AND removed_at IS NULL";
const IN_LOG: &str =
    "SELECT id, removed_at IS NOT NULL, pulled_seq, own_until FROM devices WHERE uuid = ?1 AND log = ?2";

/// The outcome of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// A new device.
    Created(Device),
    /// It was registered before.
    Existed(Device),
    /// The caller has the maximum number of devices.
    TooMany,
}

/// Live devices of a log.
pub(super) fn count_live(connection: &Connection, log: i64) -> Result<u64, Fault> {
    Ok(connection.prepare_cached(COUNT_LIVE)?.query_row([log], |row| row.get(0))?)
}

/// A device of a log, removed or not, as its row holds it.
pub(super) fn find_in_log(connection: &Connection, log: i64, id: Uuid) -> Result<Option<LogDevice>, Fault> {
    let from_row = |row: &Row<'_>| {
        Ok(LogDevice {
            id: row.get(0)?,
            is_removed: row.get(1)?,
            pulled_seq: row.get(2)?,
            own_until: row.get(3)?,
        })
    };
    Ok(connection.prepare_cached(IN_LOG)?.query_row((id.as_bytes(), log), from_row).optional()?)
}

fn row_of(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    let platform: String = row.get(4)?;
    let time = |column| Ok::<_, rusqlite::Error>(timestamp(row.get(column)?));
    let device = Device {
        id: Uuid::from_bytes(row.get(0)?),
        app_id: Uuid::from_bytes(row.get(1)?),
        user_id: Uuid::from_bytes(row.get(2)?),
        device_name: row.get(3)?,
        platform: platform.parse().unwrap_or(Platform::Web),
        created_at: time(5)?,
        last_seen_at: time(6)?,
    };
    Ok(DeviceRow { device, email: row.get(7)?, app_name: row.get(8)? })
}

fn list(
    connection: &Connection,
    condition: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<DeviceRow>, Fault> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} {condition} ORDER BY devices.id"))?;
    Ok(statement.query_map(params, row_of)?.collect::<rusqlite::Result<_>>()?)
}

fn find(connection: &Connection, id: i64) -> Result<Device, Fault> {
    let row = list(connection, "AND devices.id = ?1", [id])?.into_iter().next();
    row.map(|row| row.device).ok_or_else(|| Fault::Internal(format!("device {id} does not exist")))
}

fn find_existing(tx: &WriteTx<'_>, log: i64, new: &NewDevice) -> Result<Option<i64>, Fault> {
    let id = match new.install_id {
        Some(install) => {
            tx.prepare_cached(BY_INSTALL)?.query_row((log, install.as_bytes()), |row| row.get(0))
        }
        None => tx.prepare_cached(BY_NAME)?.query_row((log, &new.name), |row| row.get(0)),
    };
    Ok(id.optional()?)
}

fn free_name(tx: &WriteTx<'_>, log: i64, name: &str) -> Result<String, Fault> {
    let mut by_name = tx.prepare_cached(BY_NAME)?;
    for candidate in candidate_names(name) {
        if !by_name.exists((log, &candidate))? {
            return Ok(candidate);
        }
    }
    Err(Fault::Internal("ran out of names for a device".into()))
}

/// Links a session to a live device, unless it is linked already.
pub(super) fn link(tx: &mut WriteTx<'_>, session: Uuid, device: Uuid) -> Result<(), Fault> {
    if !tx.shared.session_devices.contains(session, device) {
        tx.prepare_cached(LINK)?.execute((session.as_bytes(), device.as_bytes()))?;
        tx.links.push((session, device));
    }
    Ok(())
}

impl Store {
    /// Writes the progress of devices to their rows. If that fails, nothing is lost.
    pub(super) async fn flush_device_progress(&self) -> Result<(), Fault> {
        let rows = Arc::new(self.shared.progress.unwritten());
        if rows.is_empty() {
            return Ok(());
        }
        let written = rows.clone();
        self.write(1, move |tx| {
            device_progress::write(tx, &rows)?;
            tx.cache.drop_devices();
            Ok(())
        })
        .await?;
        self.shared.progress.drop_written(&written);
        Ok(())
    }

    /// Registers a device of the caller, or finds it by its installation or name and updates its platform.
    pub async fn register_device(
        &self,
        caller: &Caller,
        new: NewDevice,
        id: Uuid,
        max_devices: u64,
    ) -> Result<Registration, Fault> {
        let (log, session) = (caller.log, caller.session);
        self.write_for(caller, 1, move |tx| {
            let platform = new.platform.as_str();
            if let Some(row) = find_existing(tx, log, &new)? {
                tx.prepare_cached(UPDATE)?.execute((row, platform, tx.now_us))?;
                let device = find(tx, row)?;
                link(tx, session, device.id)?;
                return Ok(Registration::Existed(device));
            }
            if count_live(tx, log)? >= max_devices {
                return Ok(Registration::TooMany);
            }
            let name = free_name(tx, log, &new.name)?;
            let install = new.install_id.as_ref().map(Uuid::as_bytes);
            tx.prepare_cached(INSERT)?.execute((id.as_bytes(), log, name, platform, install, tx.now_us))?;
            let row = tx.last_insert_rowid();
            link(tx, session, id)?;
            Ok(Registration::Created(find(tx, row)?))
        })
        .await
    }

    /// Lists the live devices of a log, in the order of their registration.
    pub async fn list_devices(&self, log: i64) -> Result<Vec<Device>, Fault> {
        self.read(move |connection| {
            let rows = list(connection, "AND devices.log = ?1", [log])?;
            Ok(rows.into_iter().map(|row| row.device).collect())
        })
        .await
    }

    /// Lists every live device of the server.
    pub async fn list_all_devices(&self) -> Result<Vec<DeviceRow>, Fault> {
        self.read(|connection| list(connection, "", [])).await
    }

    /// Removes a device of the caller and ends its sessions. `false`: there is no such live device.
    pub async fn remove_device(&self, actor: Actor, caller: &Caller, device: Uuid) -> Result<bool, Fault> {
        let log = caller.log;
        self.write_for(caller, 1, move |tx| remove(tx, actor, Some(log), device)).await
    }

    /// Removes any device and ends its sessions. `false`: there is no such live device.
    pub async fn remove_any_device(&self, actor: Actor, device: Uuid) -> Result<bool, Fault> {
        self.write(1, move |tx| remove(tx, actor, None, device)).await
    }
}

pub(super) fn remove(
    tx: &mut WriteTx<'_>,
    actor: Actor,
    log: Option<i64>,
    device: Uuid,
) -> Result<bool, Fault> {
    let found = tx
        .prepare_cached(FIND_LIVE)?
        .query_row((device.as_bytes(), log), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((row, log)): Option<(i64, i64)> = found else { return Ok(false) };
    tx.prepare_cached(REMOVE)?.execute((row, tx.now_us))?;
    tx.publish(Event::DeviceRemoved { log, device });
    audit::record_log(tx, actor, Action::DeviceRemoved, log, Some(&device.to_string()))?;
    sessions::end_where(tx, "id IN (SELECT session FROM session_devices WHERE device = ?1)", row)?;
    Ok(true)
}
