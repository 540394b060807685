//! Notices that another connection has committed.
//!
//! SQLite tells nobody. Asking it takes a lock and a thread that may block, fifty times a second; the files tell as well,
//! in a few microseconds. They are asked often, and the database only if they have changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};

use super::shared::Shared;
use crate::replica::error::Result;
use crate::replica::local::database::Database;
use crate::replica::metadata::dirty_rows;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How often the database is asked whatever its files say: a file system may not tell of every write.
const ASK_INTERVAL: Duration = Duration::from_secs(1);
/// File systems note times in steps. A file that was written so lately may be written again within the same step.
const TIME_STEP: Duration = Duration::from_millis(50);

/// What was last seen of the database.
pub(super) struct CommitWatch {
    /// The database's data version; `None` before it was first asked for.
    data_version: Option<i64>,
    files: Option<FileStamps>,
    asked_at: Option<Instant>,
}

impl CommitWatch {
    pub(super) fn new() -> Self {
        Self { data_version: None, files: None, asked_at: None }
    }

    /// Takes what the database is now as seen.
    pub(super) async fn catch_up(&mut self, shared: &Arc<Shared>) -> Result<()> {
        self.data_version = Some(shared.with_database(|database| database.data_version()).await?);
        Ok(())
    }

    /// Returns once another connection has committed something that has to be sent, or has changed the schema.
    pub(super) async fn local_commit(&mut self, shared: &Arc<Shared>, path: Option<&Path>) {
        loop {
            let files = path.and_then(FileStamps::of);
            // If the database is busy, it is asked again.
            if self.should_ask(files.as_ref())
                && let Ok(version) = shared.with_database(|database| database.data_version()).await
            {
                (self.files, self.asked_at) = (files, Some(Instant::now()));
                if self.data_version.replace(version) != Some(version)
                    && let Ok(true) = shared.with_database(has_changed).await
                {
                    return;
                }
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    fn should_ask(&self, files: Option<&FileStamps>) -> bool {
        let Some(files) = files else { return true };
        self.files.as_ref() != Some(files)
            || files.are_recent()
            || self.asked_at.is_none_or(|asked_at| asked_at.elapsed() >= ASK_INTERVAL)
    }
}

/// Whether there is something to send, or the schema has to be looked at again: it may have lost our triggers.
fn has_changed(database: &mut Database) -> Result<bool> {
    Ok(dirty_rows::exist(&database.connection)? || !database.is_current()?)
}

/// When the database and its write-ahead log were last written, and how long they are.
#[derive(Debug, PartialEq, Eq)]
struct FileStamps([Option<(SystemTime, u64)>; 2]);

impl FileStamps {
    /// `None`: the file system does not say.
    fn of(path: &Path) -> Option<Self> {
        let stamp = |path: &Path| {
            let found = std::fs::metadata(path).ok()?;
            Some((found.modified().ok()?, found.len()))
        };
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        Some(Self([Some(stamp(path)?), stamp(&PathBuf::from(wal))]))
    }

    fn are_recent(&self) -> bool {
        let is_recent = |written: &SystemTime| written.elapsed().is_ok_and(|age| age < TIME_STEP);
        // A time in the future says nothing about the steps.
        self.0.iter().flatten().any(|(written, _)| is_recent(written) || written.elapsed().is_err())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_database_is_asked_only_if_its_files_were_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, wal) = (folder.path().join("app.db"), folder.path().join("app.db-wal"));
        assert!(FileStamps::of(&path).is_none());
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        let write = |path: &Path, content: &str, time| {
            fs::write(path, content).expect("it is written");
            fs::File::options()
                .append(true)
                .open(path)
                .and_then(|file| file.set_modified(time))
                .expect("a time");
        };
        write(&path, "database", long_ago);
        let mut watch = CommitWatch::new();
        assert!(watch.should_ask(FileStamps::of(&path).as_ref()), "nothing was seen yet");
        (watch.files, watch.asked_at) = (FileStamps::of(&path), Some(Instant::now()));
        assert!(!watch.should_ask(FileStamps::of(&path).as_ref()));
        write(&wal, "log", long_ago);
        assert!(watch.should_ask(FileStamps::of(&path).as_ref()), "there is a write-ahead log now");
        watch.files = FileStamps::of(&path);
        assert!(!watch.should_ask(FileStamps::of(&path).as_ref()));
        write(&wal, "LOG", SystemTime::now());
        watch.files = FileStamps::of(&path);
        assert!(watch.should_ask(FileStamps::of(&path).as_ref()), "it may be written again in the same step");
        assert!(watch.should_ask(None), "the file system does not say");
    }
}
