//! Key envelopes: who may replace which.

/// The key envelope of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEnvelope {
    /// Opaque to the server.
    pub encrypted_key: Vec<u8>,
    /// Names the master key inside, from 1.
    pub key_version: u32,
    /// Counts every `PUT`, from 1.
    pub revision: u64,
}

/// Versions and revision of an envelope, all 0 while there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyState {
    /// Names the master key.
    pub key_version: u32,
    /// The highest version that was ever given out, also to a key that did not last.
    pub spent_version: u32,
    /// Counts every `PUT`.
    pub revision: u64,
}

impl KeyState {
    /// What the next new key will be called.
    pub fn next_version(self) -> u32 {
        self.spent_version + 1
    }
}

/// The same master key wrapped anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrap {
    /// Opaque to the server.
    pub encrypted_key: Vec<u8>,
    /// Replace only this revision.
    pub expected_revision: Option<u64>,
}

/// What became of a `PUT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutKey {
    /// It is the envelope now.
    Stored(KeyState),
    /// Another one is; the caller's picture of it was out of date.
    Conflict(KeyState),
    /// The key is being rotated: only that can replace it.
    RotationInProgress,
}

/// Which state a `PUT` leads to, if it may happen: the current version re-wraps, the next one starts over.
pub fn put(current: KeyState, expected_revision: Option<u64>, key_version: Option<u32>) -> PutKey {
    let next = current.next_version();
    let version = key_version.unwrap_or(current.key_version.max(1));
    let version_fits = version == next || (version == current.key_version && version > 0);
    let revision_fits = expected_revision.is_none_or(|expected| expected == current.revision);
    if version_fits && revision_fits {
        let spent_version = version.max(current.spent_version);
        PutKey::Stored(KeyState { key_version: version, spent_version, revision: current.revision + 1 })
    } else {
        PutKey::Conflict(current)
    }
}

/// Which state a re-wrap leads to, if it may happen: there must be an envelope to replace.
pub fn rewrap(current: KeyState, expected_revision: Option<u64>) -> PutKey {
    match current.key_version {
        0 => PutKey::Conflict(current),
        version => put(current, expected_revision, Some(version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: KeyState = KeyState { key_version: 1, spent_version: 1, revision: 1 };

    #[test]
    fn the_first_envelope_is_version_one() {
        assert_eq!(put(KeyState::default(), None, None), PutKey::Stored(FIRST));
        assert_eq!(put(KeyState::default(), Some(0), Some(1)), PutKey::Stored(FIRST));
    }

    #[test]
    fn a_rewrap_keeps_the_version_and_starting_over_raises_it() {
        let rewrapped = KeyState { revision: 2, ..FIRST };
        assert_eq!(put(FIRST, Some(1), None), PutKey::Stored(rewrapped));
        let started_over = KeyState { key_version: 2, spent_version: 2, revision: 2 };
        assert_eq!(put(FIRST, None, Some(2)), PutKey::Stored(started_over));
    }

    #[test]
    fn the_number_of_a_key_that_did_not_last_is_not_given_out_again() {
        let cancelled = KeyState { spent_version: 2, ..FIRST };
        assert_eq!(put(cancelled, None, Some(2)), PutKey::Conflict(cancelled));
        let stored = KeyState { key_version: 3, spent_version: 3, revision: 2 };
        assert_eq!(put(cancelled, None, Some(3)), PutKey::Stored(stored));
        let rewrapped = KeyState { revision: 2, ..cancelled };
        assert_eq!(put(cancelled, None, None), PutKey::Stored(rewrapped));
    }

    #[test]
    fn there_is_nothing_to_re_wrap_until_there_is_an_envelope() {
        let none = KeyState::default();
        assert_eq!(rewrap(none, None), PutKey::Conflict(none));
        assert_eq!(rewrap(none, Some(0)), PutKey::Conflict(none));
        let rewrapped = KeyState { revision: 2, ..FIRST };
        assert_eq!(rewrap(FIRST, None), PutKey::Stored(rewrapped));
        assert_eq!(rewrap(FIRST, Some(0)), PutKey::Conflict(FIRST));
    }

    #[test]
    fn a_stale_revision_or_a_skipped_version_is_a_conflict() {
        assert_eq!(put(FIRST, Some(0), None), PutKey::Conflict(FIRST));
        assert_eq!(put(FIRST, None, Some(3)), PutKey::Conflict(FIRST));
        assert_eq!(put(FIRST, None, Some(0)), PutKey::Conflict(FIRST));
        assert_eq!(put(KeyState::default(), None, Some(2)), PutKey::Conflict(KeyState::default()));
    }
}
