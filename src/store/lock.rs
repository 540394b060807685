//! The lock on a data folder: one process writes, so caches are never stale and the writer is alone.

use std::fs::{File, OpenOptions};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::OpenError;

const LOCK_FILE: &str = "tidelog.lock";

/// Held while this process has the data folder open. The operating system releases it however the process ends.
pub(super) struct DataLock(#[expect(dead_code, reason = "dropping it is its use")] File);

impl DataLock {
    /// Creates the folder if it is missing, for its owner only, and locks it.
    pub(super) fn take(data: &Path) -> Result<Self, OpenError> {
        make_private_folder(data).map_err(|error| OpenError::Io(data.into(), error))?;
        let path = data.join(LOCK_FILE);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| OpenError::Io(path, error))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| OpenError::InUse(data.into()))?;
        Ok(Self(file))
    }
}

fn make_private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
