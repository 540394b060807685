//! What the folder and the log had in common the last time. Kept in the folder; holds nothing secret. If it is lost, the next run
//! compares everything anew.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidelog_client::Cursor;
use uuid::Uuid;

use crate::Result;
use crate::tree::{Look, Tree};

const NAME: &str = "state.json";

#[derive(Serialize, Deserialize)]
pub(crate) struct State {
    /// Tells this folder from others on devices of the same name.
    pub(crate) install_id: Uuid,
    /// Where the next pull begins.
    pub(crate) cursor: Cursor,
    /// By path.
    pub(crate) files: BTreeMap<String, Known>,
}

/// A file that was the same here and in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Its blob.
    pub(crate) hash: String,
    /// How it looked here.
    pub(crate) look: Look,
}

impl State {
    pub(crate) fn load(tree: &Tree) -> Result<Self> {
        match tree.read_own(NAME)? {
            Some(json) => Ok(serde_json::from_slice(&json)?),
            None => Ok(Self { install_id: Uuid::new_v4(), cursor: Cursor::Start, files: BTreeMap::new() }),
        }
    }

    pub(crate) fn save(&self, tree: &Tree) -> Result<()> {
        Ok(tree.write_own(NAME, &serde_json::to_vec(self)?)?)
    }

    /// The blob that was the same here and in the log.
    pub(crate) fn hash_of(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(|known| known.hash.as_str())
    }

    pub(crate) fn names_blob(&self, hash: &str) -> bool {
        self.files.values().any(|known| known.hash == hash)
    }
}
