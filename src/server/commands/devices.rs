//! `tidelog device`.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use tidelog_protocol::{Platform, Timestamp};
use uuid::Uuid;

use super::answer::{Answer, answer, answer_if};
use super::context::CommandContext;
use crate::model::actors::Actor;
use crate::model::devices::DeviceRow;

/// Manages devices.
#[derive(Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceCommand {
    /// List the devices of all users
    List,
    /// Remove a device and end its sessions; its changes stay
    Revoke {
        /// ID of the device
        device: Uuid,
    },
}

#[derive(Serialize)]
struct DeviceDetails {
    device_id: Uuid,
    device_name: String,
    platform: Platform,
    user_id: Uuid,
    email: Option<String>,
    app: String,
    created_at: Timestamp,
    last_seen_at: Timestamp,
}

impl From<DeviceRow> for DeviceDetails {
    fn from(DeviceRow { device, email, app_name }: DeviceRow) -> Self {
        Self {
            device_id: device.id,
            device_name: device.device_name,
            platform: device.platform,
            user_id: device.user_id,
            email,
            app: app_name,
            created_at: device.created_at,
            last_seen_at: device.last_seen_at,
        }
    }
}

#[derive(Serialize)]
struct RevokedDevice {
    device_id: Uuid,
}

impl DeviceCommand {
    pub(super) async fn execute(self, context: &CommandContext) -> Answer {
        match self {
            Self::List => {
                let devices = context.store.list_all_devices().await?;
                answer(devices.into_iter().map(DeviceDetails::from).collect::<Vec<_>>())
            }
            Self::Revoke { device } => {
                let removed = context.store.remove_any_device(Actor::Operator, device).await?;
                answer_if(removed, RevokedDevice { device_id: device }, || format!("no device {device}"))
            }
        }
    }
}
