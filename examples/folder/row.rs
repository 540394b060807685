//! What the log says about a file: the value of a row in the table `files`, whose id is the file's path.

use chrono::Utc;
use serde::{Deserialize, Serialize};
use tidelog_client::{ChangeEntry, ChangeOp};

use crate::Result;

/// The table that syncs.
pub(crate) const TABLE: &str = "files";

/// The newest version of a file, and the version that it replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `None`: the file was deleted.
    pub(crate) file: Option<FileRow>,
    /// The blob that the writer had at this path before, if any. Deletions need this too, so they are updates with a
    /// value.
    pub(crate) previous: Option<String>,
}

/// One version of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileRow {
    /// Its blob's hash.
    pub(crate) hash: String,
    /// In bytes.
    pub(crate) size: u64,
    /// In microseconds since 1970.
    pub(crate) modified: i64,
}

impl Row {
    pub(crate) fn from_change(entry: &ChangeEntry) -> Option<Self> {
        serde_json::from_value(entry.data.clone()?).ok()
    }

    pub(crate) fn into_change(self, path: &str) -> Result<ChangeEntry> {
        Ok(ChangeEntry {
            table: TABLE.into(),
            op: if self.previous.is_none() { ChangeOp::Insert } else { ChangeOp::Update },
            row_id: path.into(),
            timestamp: Utc::now(),
            data: Some(serde_json::to_value(self)?),
        })
    }
}
