//! The folder on disk. Every access goes through a directory handle (cap-std), so that neither a path from the log
//! nor a link in the folder leads out of it. Links are not followed and not synced, and nothing is written through
//! them.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions};
use serde::{Deserialize, Serialize};

use crate::scan::Scan;

/// The prefix of the program's own files.
pub(crate) const OWN_PREFIX: &str = ".tidelog-";
/// The name of a file while it is downloaded.
const DOWNLOAD: &str = ".tidelog-incoming";
/// The maximum length of a path, in characters, because it is used as a row's id.
const MAX_PATH_CHARS: usize = 255;

/// A file's size and time. While both are unchanged, the file is taken to be unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileStat {
    /// In bytes.
    pub(crate) size: u64,
    /// In nanoseconds since 1970.
    pub(crate) modified_ns: i64,
}

impl FileStat {
    pub(crate) fn of(metadata: &Metadata) -> io::Result<Self> {
        let since = metadata.modified()?.into_std().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self { size: metadata.len(), modified_ns: i64::try_from(since.as_nanos()).unwrap_or(i64::MAX) })
    }
}

/// A synced folder.
pub(crate) struct Tree(Dir);

impl Tree {
    /// Opens the folder, or creates it for a new device. (The state of the sync is stored inside, so a folder that is
    /// missing by accident deletes nothing on other devices.)
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let open = || {
            Dir::create_ambient_dir_all(folder, ambient_authority())?;
            Dir::open_ambient_dir(folder, ambient_authority())
        };
        open()
            .map(Self)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", folder.display())))
    }

    /// Finds all files. What cannot be read is left out, except the folder itself.
    pub(crate) fn scan(&self) -> io::Result<Scan> {
        let mut scan = Scan::default();
        scan.list(&self.0, "")
            .map_err(|error| io::Error::new(error.kind(), format!("cannot list the folder: {error}")))?;
        Ok(scan)
    }

    /// The size and time of the file at this path; `None` if there is none.
    pub(crate) fn stat(&self, path: &str) -> io::Result<Option<FileStat>> {
        match self.0.symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() => FileStat::of(&metadata).map(Some),
            Ok(_) => Err(io::Error::new(ErrorKind::AlreadyExists, "this is not a regular file")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn read(&self, path: &str) -> io::Result<tokio::fs::File> {
        Ok(tokio::fs::File::from_std(self.0.open(path)?.into_std()))
    }

    /// Creates an empty file, to be finished by [`finish_download`](Self::finish_download).
    pub(crate) fn begin_download(&self) -> io::Result<File> {
        let options = OpenOptions::new().write(true).create(true).truncate(true).clone();
        Ok(self.0.open_with(DOWNLOAD, &options)?.into_std())
    }

    /// Moves a downloaded file to its path, replacing the file there.
    pub(crate) fn finish_download(&self, download: &File, path: &str, modified: i64) -> io::Result<FileStat> {
        let modified = Duration::from_micros(u64::try_from(modified).unwrap_or_default());
        download.set_modified(UNIX_EPOCH.checked_add(modified).unwrap_or_else(SystemTime::now))?;
        download.sync_all()?;
        if let Some(folder) = Path::new(path).parent() {
            self.0.create_dir_all(folder)?;
        }
        self.0.rename(DOWNLOAD, &self.0, path)?;
        self.stat(path)?.ok_or_else(|| ErrorKind::NotFound.into())
    }

    pub(crate) fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove_file(path)?;
        // Folders that are empty now.
        for folder in Path::new(path).ancestors().skip(1).filter(|folder| *folder != Path::new("")) {
            if self.0.remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, &self.0, to)
    }

    /// Reads one of the program's own files.
    pub(crate) fn read_own(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match self.0.read(format!("{OWN_PREFIX}{name}")) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces one of the program's own files atomically.
    pub(crate) fn write_own(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (file, fresh) = (format!("{OWN_PREFIX}{name}"), format!("{OWN_PREFIX}{name}.new"));
        let mut writing = self.0.create(&fresh)?;
        writing.write_all(bytes)?;
        writing.sync_all()?;
        self.0.rename(&fresh, &self.0, &file)
    }
}

/// Checks that a path is one of a file inside the folder, and not one of the program's own. The directory handle
/// enforces the former as well; this check explains it, before anything is downloaded.
pub(crate) fn check(path: &str) -> Result<(), &'static str> {
    if path.chars().count() > MAX_PATH_CHARS {
        return Err("its path is too long");
    }
    if path.chars().any(|it| it.is_control() || it == '\\') {
        return Err("its path has characters that are not portable");
    }
    // `Path::components` accepts "a//b", "a/./b" and "a/", which would be other names of the same file.
    let is_plain = |part: &str| {
        let mut components = Path::new(part).components();
        matches!((components.next(), components.next()), (Some(Component::Normal(name)), None) if name == part)
    };
    if !path.split('/').all(is_plain) {
        return Err("its path does not lead to a file inside the folder");
    }
    if path.starts_with(OWN_PREFIX) {
        return Err("its path is reserved for the program");
    }
    Ok(())
}
