//! Quarantined entries: what they claim to be, and why they are not trusted.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tidelog_client::QuarantinedEntry;
use uuid::Uuid;

use crate::columns::{Column, Style};
use crate::error::Result;
use crate::log::Log;
use crate::output::Output;
use crate::text;

const COLUMNS: [Column; 5] = [
    Column::Right("SEQ"),
    Column::Left("CLAIMS TO BE"),
    Column::Left("AT (UTC)"),
    Column::Left("DEVICE"),
    Column::Left("REASON"),
];

/// A quarantined entry. Everything except `seq` and `reason` is only what the server claims.
#[derive(Serialize)]
pub(crate) struct Quarantined {
    seq: i64,
    table: String,
    row_id: String,
    op: String,
    timestamp: DateTime<Utc>,
    device_id: Uuid,
    /// The device's name; null if the device was removed.
    device: Option<String>,
    key_version: u32,
    reason: String,
}

#[derive(Serialize)]
struct All {
    quarantined: Vec<Quarantined>,
}

/// `quarantined`
pub(crate) async fn run(log: &Log<'_>, style: Style) -> Result<Output> {
    let mut quarantined = Vec::new();
    log.read(|page| {
        quarantined.extend(page.quarantined.into_iter().map(|entry| Quarantined::new(entry, log)))
    })
    .await?;
    let shown = show(&quarantined, style);
    Output::new(&All { quarantined }, shown)
}

impl Quarantined {
    pub(crate) fn new(entry: QuarantinedEntry, log: &Log<'_>) -> Self {
        Self {
            seq: entry.seq,
            table: entry.table,
            row_id: entry.row_id,
            op: entry.op,
            timestamp: entry.timestamp,
            device_id: entry.device_id,
            device: log.name_of(entry.device_id).map(str::to_owned),
            key_version: entry.key_version,
            reason: entry.reason.to_string(),
        }
    }
}

/// The entries as a table.
pub(crate) fn show(entries: &[Quarantined], style: Style) -> String {
    let row = |entry: &Quarantined| {
        vec![
            entry.seq.to_string(),
            format!("{} {}/{}", entry.op, entry.table, entry.row_id),
            text::time(entry.timestamp),
            text::device(entry.device.as_deref(), entry.device_id),
            entry.reason.clone(),
        ]
    };
    style.table(&COLUMNS, entries.iter().map(row))
}
