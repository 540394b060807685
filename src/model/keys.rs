//! Key envelopes: when one may replace another.

/// The key envelope of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEnvelope {
    /// Opaque to the server.
    pub encrypted_key: Vec<u8>,
    /// The version of the master key inside, from 1.
    pub key_version: u32,
    /// Counts every `PUT`, from 1.
    pub revision: u64,
}

/// Versions and revision of an envelope, all 0 while there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyState {
    /// The version of the master key.
    pub key_version: u32,
    /// The highest version ever assigned, including those of rotations that were cancelled or undone.
    pub max_version_used: u32,
    /// Counts every `PUT`.
    pub revision: u64,
}

impl KeyState {
    /// The version of the next new key.
    pub fn next_version(self) -> u32 {
        self.max_version_used + 1
    }
}

/// The same master key, wrapped again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrap {
    /// Opaque to the server.
    pub encrypted_key: Vec<u8>,
    /// Replace only this revision.
    pub expected_revision: Option<u64>,
}

/// The outcome of a `PUT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutKeyOutcome {
    /// The envelope is stored.
    Stored(KeyState),
    /// The caller does not know the current envelope, whose state is this.
    Conflict(KeyState),
    /// The key is being rotated: only that can replace it.
    RotationInProgress,
}

/// Decides on a `PUT`: the current version re-wraps the key, the next one starts over with a new key.
pub fn put(current: KeyState, expected_revision: Option<u64>, key_version: Option<u32>) -> PutKeyOutcome {
    let next = current.next_version();
    let version = key_version.unwrap_or(current.key_version.max(1));
    let version_fits = version == next || (version == current.key_version && version > 0);
    let revision_fits = expected_revision.is_none_or(|expected| expected == current.revision);
    if version_fits && revision_fits {
        let max_version_used = version.max(current.max_version_used);
        PutKeyOutcome::Stored(KeyState {
            key_version: version,
            max_version_used,
            revision: current.revision + 1,
        })
    } else {
        PutKeyOutcome::Conflict(current)
    }
}

/// Decides on a re-wrap: there must be an envelope to replace.
pub fn rewrap(current: KeyState, expected_revision: Option<u64>) -> PutKeyOutcome {
    match current.key_version {
        0 => PutKeyOutcome::Conflict(current),
        version => put(current, expected_revision, Some(version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: KeyState = KeyState { key_version: 1, max_version_used: 1, revision: 1 };

    #[test]
    fn the_first_envelope_is_version_one() {
        assert_eq!(put(KeyState::default(), None, None), PutKeyOutcome::Stored(FIRST));
        assert_eq!(put(KeyState::default(), Some(0), Some(1)), PutKeyOutcome::Stored(FIRST));
    }

    #[test]
    fn a_rewrap_keeps_the_version_and_starting_over_raises_it() {
        let rewrapped = KeyState { revision: 2, ..FIRST };
        assert_eq!(put(FIRST, Some(1), None), PutKeyOutcome::Stored(rewrapped));
        let started_over = KeyState { key_version: 2, max_version_used: 2, revision: 2 };
        assert_eq!(put(FIRST, None, Some(2)), PutKeyOutcome::Stored(started_over));
    }

    #[test]
    fn the_version_of_a_cancelled_key_is_not_assigned_again() {
        let cancelled = KeyState { max_version_used: 2, ..FIRST };
        assert_eq!(put(cancelled, None, Some(2)), PutKeyOutcome::Conflict(cancelled));
        let stored = KeyState { key_version: 3, max_version_used: 3, revision: 2 };
        assert_eq!(put(cancelled, None, Some(3)), PutKeyOutcome::Stored(stored));
        let rewrapped = KeyState { revision: 2, ..cancelled };
        assert_eq!(put(cancelled, None, None), PutKeyOutcome::Stored(rewrapped));
    }

    #[test]
    fn there_is_nothing_to_re_wrap_until_there_is_an_envelope() {
        let none = KeyState::default();
        assert_eq!(rewrap(none, None), PutKeyOutcome::Conflict(none));
        assert_eq!(rewrap(none, Some(0)), PutKeyOutcome::Conflict(none));
        let rewrapped = KeyState { revision: 2, ..FIRST };
        assert_eq!(rewrap(FIRST, None), PutKeyOutcome::Stored(rewrapped));
        assert_eq!(rewrap(FIRST, Some(0)), PutKeyOutcome::Conflict(FIRST));
    }

    #[test]
    fn a_stale_revision_or_a_skipped_version_is_a_conflict() {
        assert_eq!(put(FIRST, Some(0), None), PutKeyOutcome::Conflict(FIRST));
        assert_eq!(put(FIRST, None, Some(3)), PutKeyOutcome::Conflict(FIRST));
        assert_eq!(put(FIRST, None, Some(0)), PutKeyOutcome::Conflict(FIRST));
        assert_eq!(put(KeyState::default(), None, Some(2)), PutKeyOutcome::Conflict(KeyState::default()));
    }
}
