//! What was the same in the folder and in the log after the last sync. Stored in the folder; holds no secrets. If it
//! is lost, the next run compares everything again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidelog_client::Cursor;
use uuid::Uuid;

use crate::Result;
use crate::tree::{FileStat, Tree};

const FILE_NAME: &str = "state.json";

#[derive(Serialize, Deserialize)]
pub(crate) struct State {
    /// Distinguishes this folder from others on devices with the same name.
    pub(crate) install_id: Uuid,
    /// The position from which to pull next.
    pub(crate) cursor: Cursor,
    /// By path.
    pub(crate) files: BTreeMap<String, SyncedFile>,
}

/// A file that was the same here and in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SyncedFile {
    /// Its blob's hash.
    pub(crate) hash: String,
    /// Its size and time here.
    pub(crate) stat: FileStat,
}

impl State {
    pub(crate) fn load(tree: &Tree) -> Result<Self> {
        match tree.read_own(FILE_NAME)? {
            Some(json) => Ok(serde_json::from_slice(&json)?),
            None => Ok(Self { install_id: Uuid::new_v4(), cursor: Cursor::Start, files: BTreeMap::new() }),
        }
    }

    pub(crate) fn save(&self, tree: &Tree) -> Result<()> {
        Ok(tree.write_own(FILE_NAME, &serde_json::to_vec(self)?)?)
    }

    /// The hash of the file at this path after the last sync.
    pub(crate) fn hash_of(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(|file| file.hash.as_str())
    }

    pub(crate) fn refers_to(&self, hash: &str) -> bool {
        self.files.values().any(|file| file.hash == hash)
    }
}
