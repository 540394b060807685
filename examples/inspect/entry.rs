//! A decrypted log entry.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use tidelog_client::{ChangeOp, PulledChange};
use uuid::Uuid;

use crate::log::Log;

/// An entry in the output of `rows` and `history`.
#[derive(Clone, Serialize)]
pub(crate) struct Entry {
    pub(crate) seq: i64,
    pub(crate) row_id: String,
    pub(crate) op: ChangeOp,
    /// According to the device that wrote it.
    pub(crate) timestamp: DateTime<Utc>,
    pub(crate) device_id: Uuid,
    /// The device's name; null if the device was removed.
    pub(crate) device: Option<String>,
    pub(crate) key_version: u32,
    /// Null for a delete.
    pub(crate) value: Option<Value>,
}

impl Entry {
    pub(crate) fn new(change: PulledChange, log: &Log<'_>) -> Self {
        let PulledChange { entry, seq, device_id, key_version } = change;
        Self {
            seq,
            row_id: entry.row_id,
            op: entry.op,
            timestamp: entry.timestamp,
            device_id,
            device: log.name_of(device_id).map(str::to_owned),
            key_version,
            value: entry.data,
        }
    }

    pub(crate) fn is_delete(&self) -> bool {
        self.op == ChangeOp::Delete
    }
}

/// A value on one line.
pub(crate) fn compact(value: Option<&Value>) -> String {
    value.map_or_else(|| "null".to_owned(), Value::to_string)
}
