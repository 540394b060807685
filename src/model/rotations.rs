//! Rotations: what may happen to one, and when.

mod blob_keys;

use std::collections::HashSet;

use tidelog_protocol::limits::MAX_DATA_BYTES;
use tidelog_protocol::{ChangeFault, Cursor, RotatedEntry, RotationBatchResponse, Timestamp};
use uuid::Uuid;

pub use self::blob_keys::{KeysPage, RotatedKey, RotatedKeys};
use super::changes::{Data, check_data, decode_base64};
use super::keys::KeyState;

/// What is being done to the keys of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Devices seal everything again under the new key.
    Running,
    /// The operator has what they sealed put back.
    Undoing,
}

/// A rotation that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Its row.
    pub id: i64,
    /// What is being done.
    pub phase: Phase,
    /// The envelope of the new key, as it was begun with.
    pub encrypted_key: Vec<u8>,
    /// Names the new key.
    pub key_version: u32,
    /// Entries that have data, are not under the new key, and are not kept as they are.
    pub remaining: u64,
    /// Likewise sealed keys of blobs.
    pub blobs_remaining: u64,
    /// Whether any entry, or key of a blob, was ever under the new key.
    pub started: bool,
    /// Microseconds since 1970.
    pub began_at: i64,
}

impl Rotation {
    /// Whatever is left to do.
    pub fn all_remaining(&self) -> u64 {
        self.remaining.saturating_add(self.blobs_remaining)
    }
}

/// What a log's keys are like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// The current key.
    pub current: KeyState,
    /// The rotation that has not ended.
    pub rotation: Option<Rotation>,
}

impl Keys {
    /// The rotation that devices take part in.
    pub fn running(&self) -> Option<&Rotation> {
        self.rotation.as_ref().filter(|rotation| rotation.phase == Phase::Running)
    }
}

/// The keys under which a log takes entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenKeys {
    /// The current key's version; 0: there is none.
    pub current: u32,
    /// That of the key which is to take its place.
    pub pending: Option<u32>,
}

impl OpenKeys {
    /// Whether an entry may name this version.
    pub fn admit(self, version: u32) -> bool {
        version == self.current || self.pending == Some(version)
    }
}

/// What a device wants to begin a rotation with.
#[derive(Clone, Copy, Debug)]
pub struct Beginning<'a> {
    /// The envelope of the new key.
    pub encrypted_key: &'a [u8],
    /// The version for which it was made, if the device says so.
    pub key_version: Option<u32>,
    /// Whether it is the current envelope, or that of a rotation which has ended: then this is a late repeat.
    pub is_spent: bool,
}

/// What came of beginning a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// It runs, now or since an earlier request, towards this version.
    Runs(u32),
    /// Another one runs.
    InProgress,
    /// The current key is this one; 0: there is none. The caller's picture of it was out of date.
    Conflict(u32),
}

/// What is to be done where a device wants to begin a rotation. `Ok`: it begins, towards this version.
///
/// # Errors
/// What to answer instead.
pub fn begin(keys: &Keys, beginning: &Beginning<'_>) -> Result<u32, Begin> {
    match &keys.rotation {
        Some(same) if same.phase == Phase::Running && same.encrypted_key == beginning.encrypted_key => {
            return Err(Begin::Runs(same.key_version));
        }
        Some(_) => return Err(Begin::InProgress),
        None => {}
    }
    let next = keys.current.next_version();
    let fits = beginning.key_version.is_none_or(|version| version == next);
    if keys.current.key_version == 0 || beginning.is_spent || !fits {
        return Err(Begin::Conflict(keys.current.key_version));
    }
    Ok(next)
}

/// What came of completing a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complete {
    /// This is the current key, now or since an earlier request.
    Completed(u32),
    /// So many entries and keys of blobs are left to do.
    Incomplete(u64),
    /// Neither the current key nor the new one is the one that the caller means; the current one is this.
    Conflict(u32),
    /// None runs.
    NoRotation,
}

/// Whether the running rotation is to be completed, where a device wants the key of this version, if it says so, to be the
/// current one. `Ok`: this one is.
///
/// # Errors
/// What to answer instead.
pub fn complete(keys: &Keys, wanted: Option<u32>) -> Result<&Rotation, Complete> {
    let current = keys.current.key_version;
    // An answer that was lost; another rotation may have begun since, which is not the one that is meant.
    if current > 0 && wanted == Some(current) {
        return Err(Complete::Completed(current));
    }
    let rotation = keys.running().ok_or(Complete::NoRotation)?;
    if wanted.is_some_and(|wanted| wanted != rotation.key_version) {
        return Err(Complete::Conflict(current));
    }
    match rotation.all_remaining() {
        0 => Ok(rotation),
        left => Err(Complete::Incomplete(left)),
    }
}

/// What came of cancelling a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// None runs any more.
    Cancelled,
    /// Entries are under the new key already.
    Started,
    /// None ran.
    NoRotation,
}

/// The rotation that is to be cancelled.
///
/// # Errors
/// What to answer instead.
pub fn cancel(keys: &Keys) -> Result<&Rotation, Cancel> {
    match keys.running() {
        None => Err(Cancel::NoRotation),
        Some(rotation) if rotation.started => Err(Cancel::Started),
        Some(rotation) => Ok(rotation),
    }
}

/// What came of asking for a page of entries that are left to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntriesPage {
    /// The sink has them.
    Page {
        /// Where the next page starts.
        cursor: Cursor,
        /// Whether there is a next page now.
        has_more: bool,
        /// Entries of the whole log that are left to do.
        remaining: u64,
    },
    /// None runs.
    NoRotation,
    /// The cursor comes from a history that was lost; this one is the log's beginning.
    LogRewound(Cursor),
}

/// What becomes of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// It stays as it is.
    Kept,
    /// Its data is replaced by bytes, sent as canonical base64.
    Base64(Vec<u8>),
    /// Its data is replaced by any other text.
    Text(String),
}

impl Rotated {
    /// What replaces its data. `None`: nothing does.
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

/// Entries that a device has sealed again, each valid by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotatedBatch {
    /// The key that the entries are sealed under, if the device has said so.
    pub key_version: Option<u32>,
    /// The seq of each, no two the same, and what becomes of it.
    pub entries: Vec<(i64, Rotated)>,
}

impl RotatedBatch {
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
                    reason: "is there twice in this batch".into(),
                });
            }
            match Rotated::parse(entry) {
                Ok(rotated) => checked.push((entry.seq, rotated)),
                Err((field, reason)) => faults.push(ChangeFault { index, field: field.into(), reason }),
            }
        }
        if faults.is_empty() { Ok(Self { key_version: None, entries: checked }) } else { Err(faults) }
    }

    /// The same, said to be sealed under this key.
    #[must_use]
    pub fn under(self, key_version: Option<u32>) -> Self {
        Self { key_version, ..self }
    }

    /// Whether it is meant for this rotation. A device may still seal for one that was cancelled.
    pub fn is_for(&self, rotation: &Rotation) -> bool {
        self.key_version.is_none_or(|version| version == rotation.key_version)
    }

    /// Bytes that it takes in memory.
    pub fn weight(&self) -> usize {
        let own = self.entries.capacity() * size_of::<(i64, Rotated)>();
        self.entries.iter().map(|(_, rotated)| rotated.weight()).sum::<usize>() + own
    }
}

/// A rotation, as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationRow {
    /// Whose.
    pub user: Uuid,
    /// The user's address, if there is one.
    pub email: Option<String>,
    /// In which app.
    pub app_name: String,
    /// Running, completed, cancelled, undoing or undone.
    pub state: String,
    /// Names the new key.
    pub key_version: u32,
    /// Entries and keys of blobs that are left to do, or were when it ended.
    pub remaining: u64,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended. `None`: it has not.
    pub ended_at: Option<Timestamp>,
}

/// What came of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchOutcome {
    /// It is on disk.
    Stored(RotationBatchResponse),
    /// These name no entry of the caller's log that has data, or no blob of the caller that has a sealed key.
    Faulty(Vec<ChangeFault>),
    /// None runs.
    NoRotation,
}

#[cfg(test)]
mod tests;
