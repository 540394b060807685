//! Applies changes of other devices: for each path, compares the newest row in the log with the file here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tidelog_client::{BlobRef, Cursor, PullFilter};

use crate::progress::FileProgress;
use crate::row::{FileRow, Row, TABLE};
use crate::state::SyncedFile;
use crate::tree::check;
use crate::{Folder, Result};

/// Hexadecimal digits of the hash in the name of a conflicting copy: all devices give it the same name.
const COPY_NAME_DIGITS: usize = 8;

/// What the log says about a path since the last sync.
struct RemoteChange {
    newest: Row,
    /// The versions that were replaced, each known to its writer.
    replaced: BTreeSet<Option<String>>,
}

/// The file at a path, compared with the last sync.
enum LocalFile {
    Missing,
    Unchanged,
    /// Changed or new.
    Changed,
}

impl Folder {
    /// Pulls and applies changes; returns the paths that could not be processed.
    pub(crate) async fn apply_remote(&mut self) -> Result<BTreeSet<String>> {
        let (changes, cursor) = self.pull().await?;
        let mut unresolved = BTreeSet::new();
        for (path, change) in changes {
            if let Err(error) = self.apply(&path, &change).await {
                self.problems.push(format!("{path}: {error}"));
                unresolved.insert(path);
            }
        }
        if unresolved.is_empty() {
            self.state.cursor = cursor;
        }
        self.state.save(&self.tree)?;
        Ok(unresolved)
    }

    /// Pulls everything since the last sync, including this device's own entries, because their order in the log
    /// matters.
    async fn pull(&mut self) -> Result<(BTreeMap<String, RemoteChange>, Cursor)> {
        let (mut changes, mut cursor) = (BTreeMap::<String, RemoteChange>::new(), self.state.cursor);
        loop {
            let filter = PullFilter { include_own: Some(true), ..PullFilter::default() };
            let page = self.account.client.pull_page(self.account.device, cursor, filter).await?;
            for entry in page.changes.into_iter().map(|change| change.entry).filter(|it| it.table == TABLE) {
                let Some(row) = Row::from_change(&entry) else { continue };
                if let Err(reason) = check(&entry.row_id) {
                    self.problems.push(format!("{}: {reason}", entry.row_id.escape_debug()));
                    continue;
                }
                let previous = row.previous.clone();
                let change = changes
                    .entry(entry.row_id)
                    .or_insert_with(|| RemoteChange { newest: row.clone(), replaced: BTreeSet::new() });
                change.newest = row;
                change.replaced.insert(previous);
            }
            let quarantined = page.quarantined.len();
            if quarantined > 0 {
                self.problems
                    .push(format!("skipped {quarantined} entries of the log that cannot be trusted"));
            }
            cursor = page.cursor;
            if !page.has_more {
                return Ok((changes, cursor));
            }
        }
    }

    async fn apply(&mut self, path: &str, change: &RemoteChange) -> Result<()> {
        let synced = self.state.hash_of(path).map(str::to_owned);
        let file = change.newest.file.as_ref();
        if file.map(|file| &file.hash) == synced.as_ref() {
            return Ok(());
        }
        // Whether some writer had seen the version that is here.
        let was_seen = synced.is_none() || change.replaced.contains(&synced);
        match (self.local_file(path)?, file) {
            (LocalFile::Missing, None) => drop(self.state.files.remove(path)),
            (LocalFile::Unchanged, None) if was_seen => {
                self.tree.remove(path)?;
                self.state.files.remove(path);
                FileProgress::new(path).finish("deleted");
            }
            // The device that deleted the file had not seen this version, which is pushed again as a new file.
            (LocalFile::Unchanged | LocalFile::Changed, None) => drop(self.state.files.remove(path)),
            (LocalFile::Missing, Some(file)) => self.download(path, file).await?,
            (LocalFile::Unchanged, Some(file)) => {
                if let Some(hash) = synced.filter(|_| !was_seen) {
                    self.keep_copy(path, &hash)?;
                }
                self.download(path, file).await?;
            }
            (LocalFile::Changed, Some(file)) => self.resolve_conflict(path, file).await?,
        }
        Ok(())
    }

    /// Handles a file that changed both here and in the log.
    async fn resolve_conflict(&mut self, path: &str, file: &FileRow) -> Result<()> {
        let stat = self.tree.stat(path)?;
        let local = self.upload(path).await?;
        let stat = stat.filter(|stat| stat.size == local.size);
        if let (true, Some(stat)) = (local.hash == file.hash, stat) {
            self.state.files.insert(path.to_owned(), SyncedFile { hash: local.hash, stat });
            return Ok(());
        }
        self.keep_copy(path, &local.hash)?;
        self.download(path, file).await
    }

    fn local_file(&self, path: &str) -> Result<LocalFile> {
        let before = self.state.files.get(path).map(|file| file.stat);
        Ok(match self.tree.stat(path)? {
            None => LocalFile::Missing,
            stat if stat == before => LocalFile::Unchanged,
            Some(_) => LocalFile::Changed,
        })
    }

    async fn download(&mut self, path: &str, file: &FileRow) -> Result<()> {
        let progress = FileProgress::new(path);
        let download = self.tree.begin_download()?;
        let writer = tokio::fs::File::from_std(download.try_clone()?);
        self.account.client.get_blob_into(&file.hash, writer, |it| progress.show(it)).await?;
        let stat = self.tree.finish_download(&download, path, file.modified)?;
        self.state.files.insert(path.to_owned(), SyncedFile { hash: file.hash.clone(), stat });
        progress.finish("received");
        Ok(())
    }

    /// Renames the file here to a conflicting copy, which is pushed as a new file.
    fn keep_copy(&mut self, path: &str, hash: &str) -> Result<()> {
        let digits = hash.get(..COPY_NAME_DIGITS).unwrap_or(hash);
        let mut copy = copy_name(path, digits);
        let mut number = 2;
        while self.tree.stat(&copy)?.is_some() && self.state.hash_of(&copy) != Some(hash) {
            copy = copy_name(path, &format!("{digits} {number}"));
            number += 1;
        }
        self.tree.rename(path, &copy)?;
        self.state.files.remove(path);
        FileProgress::new(&copy).finish("kept");
        Ok(())
    }

    /// Uploads the file at a path, whatever the log says.
    pub(crate) async fn upload(&self, path: &str) -> Result<BlobRef> {
        let progress = FileProgress::new(path);
        let blob = self.account.client.put_blob(self.tree.read(path)?, |it| progress.show(it)).await?;
        progress.finish("sent");
        Ok(blob)
    }
}

/// Adds a suffix to the name of a file: `a/b.txt` becomes `a/b (conflict 1a2b3c4d).txt`.
fn copy_name(path: &str, suffix: &str) -> String {
    let extension = Path::new(path).extension().and_then(|it| it.to_str());
    match extension.and_then(|extension| Some((path.strip_suffix(extension)?.strip_suffix('.')?, extension)))
    {
        Some((stem, extension)) => format!("{stem} (conflict {suffix}).{extension}"),
        None => format!("{path} (conflict {suffix})"),
    }
}
