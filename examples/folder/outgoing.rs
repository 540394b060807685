//! Sending what changed here: first the bytes, then, in one push, the rows that name them.

use std::collections::{BTreeMap, BTreeSet};

use tidelog_client::ChangeEntry;

use crate::row::{FileRow, Row};
use crate::state::Known;
use crate::tree::Look;
use crate::{Folder, Result};

/// Nanoseconds in a microsecond.
const NS_PER_US: i64 = 1_000;

impl Folder {
    /// Sends all that differs from the last time, but for these paths.
    pub(crate) async fn send_out(&mut self, unsettled: &BTreeSet<String>) -> Result<()> {
        let (files, left_out) = self.tree.scan()?;
        self.problems.extend(left_out);
        let (mut changes, mut settled) = (Vec::new(), BTreeMap::new());
        for (path, look) in &files {
            let before = self.state.files.get(path);
            if unsettled.contains(path) || before.is_some_and(|before| before.look == *look) {
                continue;
            }
            match self.sent(path, *look).await {
                Ok((change, known)) => {
                    changes.extend(change);
                    settled.insert(path.clone(), Some(known));
                }
                Err(error) => self.problems.push(format!("{path}: {error}")),
            }
        }
        let is_gone = |path: &&String| !files.contains_key(*path) && !unsettled.contains(*path);
        for (path, known) in self.state.files.iter().filter(|(path, _)| is_gone(path)) {
            let row = Row { file: None, was: Some(known.hash.clone()) };
            changes.push(row.into_change(path)?);
            settled.insert(path.clone(), None);
        }
        if !changes.is_empty() {
            self.account.client.push(self.account.device, changes).await?;
        }
        for (path, known) in settled {
            match known {
                Some(known) => drop(self.state.files.insert(path, known)),
                None => drop(self.state.files.remove(&path)),
            }
        }
        self.state.save(&self.tree)
    }

    /// Sends a file; gives what to say about it, if it is another one than before.
    async fn sent(&self, path: &str, look: Look) -> Result<(Option<ChangeEntry>, Known)> {
        let blob = self.put(path).await?;
        let was = self.state.hash_of(path).map(str::to_owned);
        let known = Known { hash: blob.hash.clone(), look };
        if was.as_ref() == Some(&blob.hash) {
            return Ok((None, known));
        }
        let file = FileRow { hash: blob.hash, size: blob.size, modified: look.modified_ns / NS_PER_US };
        Ok((Some(Row { file: Some(file), was }.into_change(path)?), known))
    }
}
