//! A simple model of a log and its key rotations.

use std::collections::{BTreeMap, BTreeSet};

use super::bytes;

/// Key version and data of an entry.
pub(super) type SealedContent = (u32, Option<String>);

/// A rotation that has begun and is not completed.
#[derive(Default)]
pub(super) struct PendingRotation {
    pub(super) version: u32,
    pub(super) envelope: String,
    pub(super) started: bool,
    pub(super) kept: BTreeSet<i64>,
    pub(super) replaced: BTreeMap<i64, SealedContent>,
}

/// A completed rotation, and the key that it replaced.
struct CompletedRotation {
    version: u32,
    replaced: BTreeMap<i64, SealedContent>,
    envelope_before: String,
    version_before: u32,
}

/// A log and its keys.
#[derive(Default)]
pub(super) struct Model {
    pub(super) log: BTreeMap<i64, SealedContent>,
    pub(super) envelope: String,
    pub(super) version: u32,
    pub(super) revision: u64,
    /// The highest key version ever assigned.
    pub(super) spent: u32,
    /// Key envelopes of all rotations begun so far.
    begun: BTreeSet<String>,
    pub(super) running: Option<PendingRotation>,
    completed: Vec<CompletedRotation>,
}

impl Model {
    /// Returns the entries that remain to be rotated.
    pub(super) fn left(&self) -> Vec<i64> {
        let Some(running) = &self.running else { return Vec::new() };
        let is_left = |(seq, (version, data)): &(&i64, &SealedContent)| {
            data.is_some() && *version != running.version && !running.kept.contains(seq)
        };
        self.log.iter().filter(is_left).map(|(seq, _)| *seq).collect()
    }

    /// Returns the size of all data in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.log.values().filter_map(|(_, data)| data.as_deref()).map(bytes).sum()
    }

    /// Returns the key version stored for a push that names this one. `None`: it is refused.
    pub(super) fn admit(&self, named: Option<u32>) -> Option<u32> {
        let pending = self.running.as_ref().map(|running| running.version);
        let named = named.unwrap_or(self.version);
        (named == self.version || Some(named) == pending).then_some(named)
    }

    pub(super) fn push(&mut self, entries: impl IntoIterator<Item = (i64, SealedContent)>) {
        for (seq, held) in entries {
            if let Some(running) = &mut self.running {
                running.started |= held.0 == running.version;
            }
            self.log.insert(seq, held);
        }
    }

    pub(super) fn put(&mut self, envelope: String, version: u32) {
        self.envelope = envelope;
        self.version = version;
        self.spent = self.spent.max(version);
        self.revision += 1;
    }

    /// Returns the new key version, or status and code of the error.
    pub(super) fn begin(&mut self, envelope: String) -> Result<u32, (u16, &'static str)> {
        if let Some(running) = &self.running {
            let same = running.envelope == envelope;
            return if same { Ok(running.version) } else { Err((409, "rotation_in_progress")) };
        }
        if envelope == self.envelope || !self.begun.insert(envelope.clone()) {
            return Err((409, "key_version_conflict"));
        }
        self.spent += 1;
        self.running = Some(PendingRotation { version: self.spent, envelope, ..PendingRotation::default() });
        Ok(self.spent)
    }

    /// Returns how many entries were updated.
    pub(super) fn batch(&mut self, entries: &[(i64, Option<String>)]) -> u64 {
        let Some(running) = &mut self.running else { return 0 };
        let mut updated = 0;
        for (seq, data) in entries {
            let held = self.log.get_mut(seq).expect("it is in the log");
            if held.0 == running.version {
                continue;
            }
            updated += match data {
                None => u64::from(running.kept.insert(*seq)),
                Some(_) => {
                    running.kept.remove(seq);
                    running.started = true;
                    let before = std::mem::replace(held, (running.version, data.clone()));
                    running.replaced.insert(*seq, before);
                    1
                }
            };
        }
        updated
    }

    pub(super) fn complete(&mut self) -> Result<u32, (u16, &'static str)> {
        let left = self.left().len();
        match self.running.take() {
            None => Err((409, "no_rotation")),
            Some(running) if left > 0 => {
                self.running = Some(running);
                Err((409, "rotation_incomplete"))
            }
            Some(PendingRotation { version, envelope, replaced, .. }) => {
                let envelope_before = std::mem::replace(&mut self.envelope, envelope);
                let version_before = std::mem::replace(&mut self.version, version);
                self.completed.push(CompletedRotation { version, replaced, envelope_before, version_before });
                self.revision += 1;
                Ok(version)
            }
        }
    }

    pub(super) fn cancel(&mut self) -> Result<(), (u16, &'static str)> {
        match &self.running {
            None => Err((409, "no_rotation")),
            Some(running) if running.started => Err((409, "rotation_started")),
            Some(_) => {
                self.running = None;
                Ok(())
            }
        }
    }

    /// Returns how many entries were restored and how many stay under newer keys. `None`: there is nothing to undo.
    pub(super) fn undo(&mut self) -> Option<(u64, u64)> {
        let (version, replaced) = match self.running.take() {
            Some(running) => (running.version, running.replaced),
            None => {
                if self.completed.last()?.version != self.version {
                    return None;
                }
                let undone = self.completed.pop()?;
                (self.envelope, self.version) = (undone.envelope_before, undone.version_before);
                self.revision += 1;
                (undone.version, undone.replaced)
            }
        };
        let put_back = replaced.len() as u64;
        self.log.extend(replaced);
        let newer = self.log.values().filter(|(of, data)| data.is_some() && *of >= version).count();
        Some((put_back, newer as u64))
    }
}
