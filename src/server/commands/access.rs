//! `device` and `session`: what has access to accounts.

use serde_json::json;
use uuid::Uuid;

use super::{Outcome, found, time};
use crate::model::actors::Actor;
use crate::model::devices::DeviceRow;
use crate::model::sessions::Session;
use crate::store::Store;

pub(super) async fn list_devices(store: &Store) -> Outcome {
    let rows = store.list_all_devices().await?;
    let row = |row: &DeviceRow| {
        json!({
            "device_id": row.device.id,
            "device_name": row.device.device_name,
            "platform": row.device.platform,
            "user_id": row.device.user_id,
            "email": row.email,
            "app": row.app_name,
            "created_at": row.device.created_at,
            "last_seen_at": row.device.last_seen_at,
        })
    };
    Ok(rows.iter().map(row).collect())
}

/// Removes one, and ends the sessions that spoke for it.
pub(super) async fn revoke_device(store: &Store, device: Uuid) -> Outcome {
    let removed = store.remove_any_device(Actor::Operator, device).await?;
    found(removed, json!({ "device_id": device }), || format!("there is no device {device}"))
}

pub(super) async fn list_sessions(store: &Store) -> Outcome {
    let rows = store.list_sessions().await?;
    let row = |row: &Session| {
        json!({
            "session_id": row.id,
            "user_id": row.user,
            "email": row.email,
            "app": row.app_name,
            "created_at": time(row.created_at),
            "expires_at": time(row.expires_at),
        })
    };
    Ok(rows.iter().map(row).collect())
}

pub(super) async fn revoke_session(store: &Store, session: Uuid) -> Outcome {
    let ended = store.end_session(Actor::Operator, session).await?;
    found(ended, json!({ "session_id": session }), || format!("there is no session {session}"))
}
