//! The user's devices.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tidelog_client::Device;
use uuid::Uuid;

use crate::columns::{Column, Style};
use crate::error::Result;
use crate::output::Output;
use crate::text;

const COLUMNS: [Column; 5] = [
    Column::Left("DEVICE"),
    Column::Left("PLATFORM"),
    Column::Left("SINCE"),
    Column::Left("LAST SEEN (UTC)"),
    Column::Untruncated("ID"),
];

/// A device in the server's list.
#[derive(Serialize)]
pub(crate) struct DeviceInfo {
    device_id: Uuid,
    device: String,
    platform: String,
    created_at: DateTime<Utc>,
    /// Up to a minute old.
    last_seen_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct Devices {
    devices: Vec<DeviceInfo>,
}

/// `devices`
pub(crate) fn run(devices: &[Device], style: Style) -> Result<Output> {
    let devices = device_infos(devices);
    let text = show(&devices, style);
    Output::new(&Devices { devices }, text)
}

pub(crate) fn device_infos(devices: &[Device]) -> Vec<DeviceInfo> {
    let info = |device: &Device| DeviceInfo {
        device_id: device.id,
        device: device.device_name.clone(),
        platform: device.platform.as_str().to_owned(),
        created_at: device.created_at.into(),
        last_seen_at: device.last_seen_at.into(),
    };
    devices.iter().map(info).collect()
}

/// The devices as a table.
pub(crate) fn show(devices: &[DeviceInfo], style: Style) -> String {
    let row = |device: &DeviceInfo| {
        vec![
            device.device.clone(),
            device.platform.clone(),
            text::date(device.created_at),
            text::time(device.last_seen_at),
            device.device_id.to_string(),
        ]
    };
    style.table(&COLUMNS, devices.iter().map(row))
}
