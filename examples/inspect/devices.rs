//! The devices among which the user's changes travel.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tidelog_client::Device;
use uuid::Uuid;

use crate::answer::Answer;
use crate::columns::{Column, Style};
use crate::failure::Result;
use crate::text;

const COLUMNS: [Column; 5] = [
    Column::Left("DEVICE"),
    Column::Left("PLATFORM"),
    Column::Left("SINCE"),
    Column::Left("LAST SEEN (UTC)"),
    Column::Whole("ID"),
];

/// A device, as the server knows it.
#[derive(Serialize)]
pub(crate) struct Listed {
    device_id: Uuid,
    device: String,
    platform: String,
    created_at: DateTime<Utc>,
    /// May lag by a minute.
    last_seen_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct Devices {
    devices: Vec<Listed>,
}

/// `devices`
pub(crate) fn answer(devices: &[Device], style: Style) -> Result<Answer> {
    let devices = listed(devices);
    let shown = show(&devices, style);
    Answer::new(&Devices { devices }, shown)
}

pub(crate) fn listed(devices: &[Device]) -> Vec<Listed> {
    let listed = |device: &Device| Listed {
        device_id: device.id,
        device: device.device_name.clone(),
        platform: device.platform.as_str().to_owned(),
        created_at: device.created_at.into(),
        last_seen_at: device.last_seen_at.into(),
    };
    devices.iter().map(listed).collect()
}

/// The devices as a table.
pub(crate) fn show(devices: &[Listed], style: Style) -> String {
    let row = |device: &Listed| {
        vec![
            device.device.clone(),
            device.platform.clone(),
            text::day(device.created_at),
            text::time(device.last_seen_at),
            device.device_id.to_string(),
        ]
    };
    style.table(&COLUMNS, devices.iter().map(row))
}
