//! Finds the files of the folder, for the search for local changes. A part of the folder that cannot be read (another
//! user's, such as `lost+found`, or on a failing disk) is named and left out. It says nothing about the files in it:
//! they neither changed nor were deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};

use cap_std::fs::{Dir, DirEntry};

use crate::tree::{FileStat, OWN_PREFIX, check};

/// What was found in the folder.
#[derive(Default)]
pub(crate) struct Scan {
    /// All files, by path.
    pub(crate) files: BTreeMap<String, FileStat>,
    /// Messages about what cannot be synced.
    pub(crate) skipped: Vec<String>,
    /// Paths of files and folders that could not be read.
    unreadable: BTreeSet<String>,
}

impl Scan {
    /// Whether there is certainly no file at this path. Where a folder around it could not be read, there may be one.
    pub(crate) fn is_missing(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
        !self.files.contains_key(path)
            && !folders.chain([path]).any(|around| self.unreadable.contains(around))
    }

    /// Adds what is in a folder; `prefix` is its path with a slash, or nothing for the folder itself. Fails if its list
    /// of entries cannot be read to the end.
    pub(crate) fn list(&mut self, folder: &Dir, prefix: &str) -> io::Result<()> {
        for entry in folder.entries()? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                let name = entry.file_name();
                self.skipped.push(format!("{prefix}{}: its name is not UTF-8", name.to_string_lossy()));
                continue;
            };
            if prefix.is_empty() && name.starts_with(OWN_PREFIX) {
                continue;
            }
            let path = format!("{prefix}{name}");
            match self.add(&entry, &path) {
                Ok(()) => {}
                // Deleted since the folder was listed.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    self.skipped.push(format!("{path}: {error}"));
                    self.unreadable.insert(path);
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, entry: &DirEntry, path: &str) -> io::Result<()> {
        let kind = entry.file_type()?;
        if kind.is_dir() {
            self.list(&entry.open_dir()?, &format!("{path}/"))?;
        } else if kind.is_file() {
            match check(path) {
                Ok(()) => drop(self.files.insert(path.to_owned(), FileStat::of(&entry.metadata()?)?)),
                Err(reason) => self.skipped.push(format!("{path}: {reason}")),
            }
        }
        Ok(())
    }
}
