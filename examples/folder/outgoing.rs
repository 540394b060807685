//! Pushes local changes: first the files' bytes, then, in one push, the rows that refer to them.

use std::collections::{BTreeMap, BTreeSet};

use tidelog_client::ChangeEntry;

use crate::row::{FileRow, Row};
use crate::state::SyncedFile;
use crate::tree::FileStat;
use crate::{Folder, Result};

/// Nanoseconds in a microsecond.
const NS_PER_US: i64 = 1_000;

impl Folder {
    /// Pushes everything that has changed since the last sync, except for the paths in `unresolved`.
    pub(crate) async fn push_local(&mut self, unresolved: &BTreeSet<String>) -> Result<()> {
        let mut scan = self.tree.scan()?;
        self.problems.append(&mut scan.skipped);
        let (mut changes, mut synced) = (Vec::new(), BTreeMap::new());
        for (path, stat) in &scan.files {
            let before = self.state.files.get(path);
            if unresolved.contains(path) || before.is_some_and(|before| before.stat == *stat) {
                continue;
            }
            match self.upload_changed(path, *stat).await {
                Ok((change, file)) => {
                    changes.extend(change);
                    synced.insert(path.clone(), Some(file));
                }
                Err(error) => self.problems.push(format!("{path}: {error}")),
            }
        }
        let is_deleted = |path: &&String| scan.is_missing(path) && !unresolved.contains(*path);
        for (path, file) in self.state.files.iter().filter(|(path, _)| is_deleted(path)) {
            let row = Row { file: None, previous: Some(file.hash.clone()) };
            changes.push(row.into_change(path)?);
            synced.insert(path.clone(), None);
        }
        if !changes.is_empty() {
            self.account.client.push(self.account.device, changes).await?;
        }
        for (path, file) in synced {
            match file {
                Some(file) => drop(self.state.files.insert(path, file)),
                None => drop(self.state.files.remove(&path)),
            }
        }
        self.state.save(&self.tree)
    }

    /// Uploads a file. The change is `None` if its contents are the same as before.
    async fn upload_changed(&self, path: &str, stat: FileStat) -> Result<(Option<ChangeEntry>, SyncedFile)> {
        let blob = self.upload(path).await?;
        let previous = self.state.hash_of(path).map(str::to_owned);
        let synced = SyncedFile { hash: blob.hash.clone(), stat };
        if previous.as_ref() == Some(&blob.hash) {
            return Ok((None, synced));
        }
        let file = FileRow { hash: blob.hash, size: blob.size, modified: stat.modified_ns / NS_PER_US };
        Ok((Some(Row { file: Some(file), previous }.into_change(path)?), synced))
    }
}
