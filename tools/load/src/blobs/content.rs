//! Files that nobody has seen before.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::PIECE;
use crate::Result;

/// What is in a file.
pub(super) struct Content {
    pub(super) size: u64,
    /// SHA-256, in lower-case hexadecimal.
    pub(super) hash: String,
}

impl Content {
    /// Writes a file of this size: random bytes, each piece of them another one.
    pub(super) fn write(path: &Path, size: u64) -> Result<Self> {
        let mut piece = vec![0; PIECE];
        getrandom::fill(&mut piece)?;
        let (mut file, mut hasher) = (File::create(path)?, Sha256::new());
        let mut left = size;
        while left > 0 {
            piece[..8].copy_from_slice(&left.to_le_bytes());
            let some = &piece[..left.min(PIECE as u64) as usize];
            file.write_all(some)?;
            hasher.update(some);
            left -= some.len() as u64;
        }
        // Its way to the disk is nobody's time but its own.
        file.sync_all()?;
        Ok(Self { size, hash: HEXLOWER.encode(&hasher.finalize()) })
    }

    /// Whether another file has the same content.
    pub(super) fn compare(&self, path: &Path) -> Result<()> {
        let (mut file, mut hasher, mut piece) = (File::open(path)?, Sha256::new(), vec![0; PIECE]);
        loop {
            match file.read(&mut piece)? {
                0 => break,
                count => hasher.update(&piece[..count]),
            }
        }
        self.compare_hash(hasher)
    }

    /// Whether what went through this has the same content.
    pub(super) fn compare_hash(&self, hasher: Sha256) -> Result<()> {
        if HEXLOWER.encode(&hasher.finalize()) == self.hash {
            Ok(())
        } else {
            Err("what came back is not what was sent".into())
        }
    }
}
