//! What a rotation has done, for programs to show.

use crate::formats::RecoveryKey;

/// The progress of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RotationProgress {
    /// Entries that are done.
    pub done: u64,
    /// All entries; grows with what is pushed meanwhile.
    pub total: u64,
    /// Keys of blobs that are done. They come after the entries.
    pub blobs_done: u64,
    /// All keys of blobs; 0 until the entries are done. Grows with what is uploaded meanwhile.
    pub blobs_total: u64,
}

/// The result of a rotation.
#[derive(Debug)]
#[non_exhaustive]
pub struct RotationOutcome {
    /// The version of the new master key.
    pub key_version: u32,
    /// Opens the new key in place of the passphrase. Earlier recovery keys are void.
    pub recovery_key: RecoveryKey,
    /// Entries that this device re-encrypted.
    pub resealed: u64,
    /// Entries that this device kept as they are, because they do not open or do not belong to this vault.
    pub kept: u64,
    /// Keys of blobs that this device wrapped again. The blobs themselves and their names have not changed.
    pub blobs_rewrapped: u64,
    /// Keys of blobs that this device kept as they are, because they do not open.
    pub blobs_kept: u64,
}

/// What was done so far.
#[derive(Clone, Copy, Default)]
pub(super) struct RotationCounts {
    pub(super) resealed: u64,
    pub(super) kept: u64,
    pub(super) blobs_rewrapped: u64,
    pub(super) blobs_kept: u64,
}

impl RotationCounts {
    pub(super) fn add(&mut self, more: Self) {
        self.resealed += more.resealed;
        self.kept += more.kept;
        self.blobs_rewrapped += more.blobs_rewrapped;
        self.blobs_kept += more.blobs_kept;
    }

    pub(super) fn progress(&self, entries_left: u64, blobs_left: u64) -> RotationProgress {
        let (done, blobs_done) = (self.resealed + self.kept, self.blobs_rewrapped + self.blobs_kept);
        RotationProgress {
            done,
            total: done + entries_left,
            blobs_done,
            blobs_total: blobs_done + blobs_left,
        }
    }

    pub(super) fn into_outcome(self, key_version: u32, recovery_key: RecoveryKey) -> RotationOutcome {
        let Self { resealed, kept, blobs_rewrapped, blobs_kept } = self;
        RotationOutcome { key_version, recovery_key, resealed, kept, blobs_rewrapped, blobs_kept }
    }
}
