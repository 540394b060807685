//! Rotations: which steps are allowed when.

mod blob_keys;

use std::collections::HashSet;

use tidelog_protocol::limits::MAX_DATA_BYTES;
use tidelog_protocol::{ChangeFault, Cursor, RotatedEntry, RotationBatchResponse, Timestamp};
use uuid::Uuid;

pub use self::blob_keys::{BlobKeyBatch, BlobKeyReplacement, BlobKeysOutcome};
use super::changes::{Data, check_data, decode_base64};
use super::keys::KeyState;

/// What a rotation that has not ended is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Devices re-encrypt everything under the new key.
    Running,
    /// The operator is undoing it.
    Undoing,
}

/// A rotation that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Its row.
    pub id: i64,
    /// What is being done.
    pub phase: Phase,
    /// The envelope of the new key.
    pub encrypted_key: Vec<u8>,
    /// The version of the new key.
    pub key_version: u32,
    /// Entries that have data, are not under the new key, and are not kept as they are.
    pub remaining: u64,
    /// The same for wrapped keys of blobs.
    pub blobs_remaining: u64,
    /// Whether any entry or wrapped key was ever under the new key.
    pub started: bool,
    /// Microseconds since 1970.
    pub began_at: i64,
}

impl Rotation {
    /// Everything that is left to do.
    pub fn all_remaining(&self) -> u64 {
        self.remaining.saturating_add(self.blobs_remaining)
    }
}

/// The keys of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// The current key.
    pub current: KeyState,
    /// The rotation that has not ended.
    pub rotation: Option<Rotation>,
}

impl Keys {
    /// The rotation, if it is running.
    pub fn running(&self) -> Option<&Rotation> {
        self.rotation.as_ref().filter(|rotation| rotation.phase == Phase::Running)
    }
}

/// The keys under which a log accepts entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenKeys {
    /// The current key's version; 0: there is none.
    pub current: u32,
    /// The version of the key that is to replace it.
    pub pending: Option<u32>,
}

impl OpenKeys {
    /// Whether an entry may name this version.
    pub fn admit(self, version: u32) -> bool {
        version == self.current || self.pending == Some(version)
    }
}

/// A device's request to begin a rotation.
#[derive(Clone, Copy, Debug)]
pub struct BeginRequest<'a> {
    /// The envelope of the new key.
    pub encrypted_key: &'a [u8],
    /// The version for which it was made, if the device says so.
    pub key_version: Option<u32>,
    /// Whether it is the current envelope, or that of a rotation that has ended: then this is a late repeat.
    pub is_used: bool,
}

/// The outcome of beginning a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginOutcome {
    /// It runs, now or since an earlier request, towards this version.
    Runs(u32),
    /// Another one runs.
    InProgress,
    /// The current key is this one, which the caller does not know; 0: there is none.
    Conflict(u32),
}

/// Decides whether a rotation begins. `Ok`: it does, towards this version.
///
/// # Errors
/// What to answer instead.
pub fn begin(keys: &Keys, request: &BeginRequest<'_>) -> Result<u32, BeginOutcome> {
    match &keys.rotation {
        Some(same) if same.phase == Phase::Running && same.encrypted_key == request.encrypted_key => {
            return Err(BeginOutcome::Runs(same.key_version));
        }
        Some(_) => return Err(BeginOutcome::InProgress),
        None => {}
    }
    let next = keys.current.next_version();
    let fits = request.key_version.is_none_or(|version| version == next);
    if keys.current.key_version == 0 || request.is_used || !fits {
        return Err(BeginOutcome::Conflict(keys.current.key_version));
    }
    Ok(next)
}

/// The outcome of completing a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompleteOutcome {
    /// This is the current key, now or since an earlier request.
    Completed(u32),
    /// So many entries and keys of blobs are left to do.
    Incomplete(u64),
    /// The caller names neither the current key, which is this, nor the new one.
    Conflict(u32),
    /// No rotation is running.
    NoRotation,
}

/// Decides whether the running rotation is completed, where a device wants the key of version `wanted`, if given, to
/// become the current one. `Ok`: this rotation is.
///
/// # Errors
/// What to answer instead.
pub fn complete(keys: &Keys, wanted: Option<u32>) -> Result<&Rotation, CompleteOutcome> {
    let current = keys.current.key_version;
    // The answer was lost. Another rotation may have begun since, which is not the one that the device means.
    if current > 0 && wanted == Some(current) {
        return Err(CompleteOutcome::Completed(current));
    }
    let rotation = keys.running().ok_or(CompleteOutcome::NoRotation)?;
    if wanted.is_some_and(|wanted| wanted != rotation.key_version) {
        return Err(CompleteOutcome::Conflict(current));
    }
    match rotation.all_remaining() {
        0 => Ok(rotation),
        left => Err(CompleteOutcome::Incomplete(left)),
    }
}

/// The outcome of cancelling a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// No rotation is running any more.
    Cancelled,
    /// Entries are under the new key already.
    Started,
    /// None was running.
    NoRotation,
}

/// Decides whether the running rotation is cancelled. `Ok`: this one is.
///
/// # Errors
/// What to answer instead.
pub fn cancel(keys: &Keys) -> Result<&Rotation, CancelOutcome> {
    match keys.running() {
        None => Err(CancelOutcome::NoRotation),
        Some(rotation) if rotation.started => Err(CancelOutcome::Started),
        Some(rotation) => Ok(rotation),
    }
}

/// The outcome of a request for entries that are left to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntriesOutcome {
    /// The sink has one page of them.
    Page {
        /// Where the next page starts.
        cursor: Cursor,
        /// Whether there is a next page now.
        has_more: bool,
        /// Entries of the whole log that are left to do.
        remaining: u64,
    },
    /// No rotation is running.
    NoRotation,
    /// The cursor comes from a history that was lost; this one is the log's request.
    LogRewound(Cursor),
}

/// What replaces the data of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryReplacement {
    /// Nothing: it stays as it is.
    Kept,
    /// Bytes, sent as canonical base64.
    Base64(Vec<u8>),
    /// Any other text.
    Text(String),
}

impl EntryReplacement {
    /// The new data. `None`: the entry is kept.
    pub fn data(&self) -> Option<Data<'_>> {
        match self {
            Self::Kept => None,
            Self::Base64(bytes) => Some(Data::Base64(bytes)),
            Self::Text(text) => Some(Data::Text(text)),
        }
    }

    fn parse(entry: &RotatedEntry<'_>) -> Result<Self, (&'static str, String)> {
        let data = match (entry.data.as_deref(), entry.keep) {
            (None, true) => return Ok(Self::Kept),
            (Some(data), false) => data,
            _ => return Err(("entry", "must have either data or keep".into())),
        };
        if data.is_empty() {
            return Err(("data", format!("must have 1 to {MAX_DATA_BYTES} bytes, this one has none")));
        }
        check_data(Some(data)).map_err(|reason| ("data", reason))?;
        let mut bytes = Vec::with_capacity(data.len() / 4 * 3);
        Ok(if decode_base64(data, &mut bytes) { Self::Base64(bytes) } else { Self::Text(data.into()) })
    }

    fn weight(&self) -> usize {
        match self {
            Self::Kept => 0,
            Self::Base64(bytes) => bytes.capacity(),
            Self::Text(text) => text.capacity(),
        }
    }
}

/// Entries that a device has re-encrypted, each valid by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryBatch {
    /// The key that they are encrypted under, if the device named it.
    pub key_version: Option<u32>,
    /// The seq of each, without duplicates, and what replaces its data.
    pub entries: Vec<(i64, EntryReplacement)>,
}

impl EntryBatch {
    /// Checks what a device sent.
    ///
    /// # Errors
    /// Every fault of every entry.
    pub fn new<'a, 'b: 'a>(
        entries: impl IntoIterator<Item = &'a RotatedEntry<'b>>,
    ) -> Result<Self, Vec<ChangeFault>> {
        let mut seen = HashSet::new();
        let (mut checked, mut faults) = (Vec::new(), Vec::new());
        for (index, entry) in entries.into_iter().enumerate() {
            if !seen.insert(entry.seq) {
                faults.push(ChangeFault {
                    index,
                    field: "seq".into(),
                    reason: "appears twice in this batch".into(),
                });
            }
            match EntryReplacement::parse(entry) {
                Ok(rotated) => checked.push((entry.seq, rotated)),
                Err((field, reason)) => faults.push(ChangeFault { index, field: field.into(), reason }),
            }
        }
        if faults.is_empty() { Ok(Self { key_version: None, entries: checked }) } else { Err(faults) }
    }

    /// The same batch, said to be encrypted under this key.
    #[must_use]
    pub fn under(self, key_version: Option<u32>) -> Self {
        Self { key_version, ..self }
    }

    /// Whether it is meant for this rotation. A device may still send a batch for one that was cancelled.
    pub fn is_for(&self, rotation: &Rotation) -> bool {
        self.key_version.is_none_or(|version| version == rotation.key_version)
    }

    /// Bytes that it takes in memory.
    pub fn weight(&self) -> usize {
        let own = self.entries.capacity() * size_of::<(i64, EntryReplacement)>();
        self.entries.iter().map(|(_, rotated)| rotated.weight()).sum::<usize>() + own
    }
}

/// A rotation, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationRow {
    /// Its user.
    pub user: Uuid,
    /// The user's email, if there is one.
    pub email: Option<String>,
    /// The name of its app.
    pub app_name: String,
    /// Running, completed, cancelled, undoing or undone.
    pub state: String,
    /// The version of the new key.
    pub key_version: u32,
    /// Entries and keys of blobs that are left to do, or were when it ended.
    pub remaining: u64,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended. `None`: it has not.
    pub ended_at: Option<Timestamp>,
}

/// The outcome of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RotationBatchOutcome {
    /// It is on disk.
    Stored(RotationBatchResponse),
    /// These name no entry of the caller's log that has data, or no blob of the caller that has a wrapped key.
    Faulty(Vec<ChangeFault>),
    /// No rotation is running.
    NoRotation,
}

#[cfg(test)]
mod tests;
