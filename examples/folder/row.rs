//! What is said about a file in the log: the value of a row of the table `files`, whose id is the file's path.

use chrono::Utc;
use serde::{Deserialize, Serialize};
use tidelog_client::{ChangeEntry, ChangeOp};

use crate::Result;

/// The table.
pub(crate) const TABLE: &str = "files";

/// A path's newest value, and the one that its writer knew before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `None`: there is no file.
    pub(crate) file: Option<FileRow>,
    /// The blob that the writer had under this path, if any. Deletions say it, too, so they are values and no deletes.
    pub(crate) was: Option<String>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileRow {
    /// Its blob.
    pub(crate) hash: String,
    /// Bytes.
    pub(crate) size: u64,
    /// Microseconds since 1970.
    pub(crate) modified: i64,
}

impl Row {
    pub(crate) fn of(entry: &ChangeEntry) -> Option<Self> {
        serde_json::from_value(entry.data.clone()?).ok()
    }

    pub(crate) fn into_change(self, path: &str) -> Result<ChangeEntry> {
        Ok(ChangeEntry {
            table: TABLE.into(),
            op: if self.was.is_none() { ChangeOp::Insert } else { ChangeOp::Update },
            row_id: path.into(),
            timestamp: Utc::now(),
            data: Some(serde_json::to_value(self)?),
        })
    }
}
