//! The folder on disk. Every access goes through a handle of it (cap-std), so that neither a name from the log nor a link that
//! lies in the folder leads anywhere else. Links are not followed, not synced and not replaced by what is written through them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions};
use serde::{Deserialize, Serialize};

/// What begins the names of the program's own files.
const OWN: &str = ".tidelog-";
/// Where a file lies until it is whole.
const INCOMING: &str = ".tidelog-incoming";
/// Characters of a path, at most: it has to be a row's id.
const MAX_PATH_CHARS: usize = 255;

/// How a file looked: if it still does, it is taken to be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Look {
    /// Bytes.
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified_ns: i64,
}

impl Look {
    fn of(metadata: &Metadata) -> io::Result<Self> {
        let since = metadata.modified()?.into_std().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self { size: metadata.len(), modified_ns: i64::try_from(since.as_nanos()).unwrap_or(i64::MAX) })
    }
}

/// The folder.
pub(crate) struct Tree(Dir);

impl Tree {
    /// Makes the folder if there is none: what a new device syncs into. (What was synced is noted inside, so a folder that is
    /// missing by accident deletes nothing elsewhere.)
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let open = || {
            Dir::create_ambient_dir_all(folder, ambient_authority())?;
            Dir::open_ambient_dir(folder, ambient_authority())
        };
        open()
            .map(Self)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", folder.display())))
    }

    /// Every file, and what cannot be synced.
    pub(crate) fn scan(&self) -> io::Result<(BTreeMap<String, Look>, Vec<String>)> {
        let (mut files, mut left_out) = (BTreeMap::new(), Vec::new());
        scan_into(&self.0, "", &mut files, &mut left_out)?;
        Ok((files, left_out))
    }

    /// How the file at this path looks; `None` if there is none.
    pub(crate) fn look(&self, path: &str) -> io::Result<Option<Look>> {
        match self.0.symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() => Look::of(&metadata).map(Some),
            Ok(_) => Err(io::Error::new(ErrorKind::AlreadyExists, "there is something that is no file")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn read(&self, path: &str) -> io::Result<tokio::fs::File> {
        Ok(tokio::fs::File::from_std(self.0.open(path)?.into_std()))
    }

    /// An empty file that [`keep`](Self::keep) gives its name.
    pub(crate) fn begin(&self) -> io::Result<File> {
        let options = OpenOptions::new().write(true).create(true).truncate(true).clone();
        Ok(self.0.open_with(INCOMING, &options)?.into_std())
    }

    /// Puts what was [begun](Self::begin) in the place of what is there.
    pub(crate) fn keep(&self, incoming: &File, path: &str, modified: i64) -> io::Result<Look> {
        let modified = Duration::from_micros(u64::try_from(modified).unwrap_or_default());
        incoming.set_modified(UNIX_EPOCH.checked_add(modified).unwrap_or_else(SystemTime::now))?;
        incoming.sync_all()?;
        if let Some(folder) = Path::new(path).parent() {
            self.0.create_dir_all(folder)?;
        }
        self.0.rename(INCOMING, &self.0, path)?;
        self.look(path)?.ok_or_else(|| ErrorKind::NotFound.into())
    }

    pub(crate) fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove_file(path)?;
        // Folders that it was the last file of.
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

    /// The program's own file of this name.
    pub(crate) fn read_own(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match self.0.read(format!("{OWN}{name}")) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces it in one step.
    pub(crate) fn write_own(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (file, fresh) = (format!("{OWN}{name}"), format!("{OWN}{name}.new"));
        let mut writing = self.0.create(&fresh)?;
        writing.write_all(bytes)?;
        writing.sync_all()?;
        self.0.rename(&fresh, &self.0, &file)
    }
}

fn scan_into(
    folder: &Dir,
    prefix: &str,
    files: &mut BTreeMap<String, Look>,
    left_out: &mut Vec<String>,
) -> io::Result<()> {
    for entry in folder.entries()? {
        let (entry, kind) = entry.and_then(|entry| Ok((entry.file_type()?, entry))).map(|(k, e)| (e, k))?;
        let Ok(name) = entry.file_name().into_string() else {
            left_out.push(format!("{prefix}{}: its name is no text", entry.file_name().to_string_lossy()));
            continue;
        };
        let path = format!("{prefix}{name}");
        if prefix.is_empty() && name.starts_with(OWN) {
            continue;
        } else if kind.is_dir() {
            scan_into(&entry.open_dir()?, &format!("{path}/"), files, left_out)?;
        } else if kind.is_file() {
            match check(&path) {
                Ok(()) => drop(files.insert(path, Look::of(&entry.metadata()?)?)),
                Err(reason) => left_out.push(format!("{path}: {reason}")),
            }
        }
    }
    Ok(())
}

/// Whether this is a path of a file inside the folder, and not one of the program's own. The handle keeps every other one inside,
/// too; this tells why, before anything is fetched.
pub(crate) fn check(path: &str) -> Result<(), &'static str> {
    if path.chars().count() > MAX_PATH_CHARS {
        return Err("its path is too long");
    }
    if path.chars().any(|it| it.is_control() || it == '\\') {
        return Err("its path has characters that not every system can show");
    }
    // Rust's own idea of components forgives "a//b", "a/./b" and "a/", which would be second names of one file.
    let is_plain = |part: &str| {
        let mut components = Path::new(part).components();
        matches!((components.next(), components.next()), (Some(Component::Normal(name)), None) if name == part)
    };
    if !path.split('/').all(is_plain) {
        return Err("its path is not one of a file inside the folder");
    }
    if path.starts_with(OWN) {
        return Err("its path is one of the program's own");
    }
    Ok(())
}
