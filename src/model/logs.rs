//! The state of a log, and how far a device has read it: what decides from where it is safe to pull after a push.

use tidelog_protocol::Cursor;

use super::cursors::BASE_SEQ;
use super::rotations::OpenKeys;

/// The newest entries of a log: enough to tell in one lookup whether a device has seen everything that others wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// The newest seq.
    pub seq: i64,
    /// The device that wrote it; `None` while the log is empty.
    pub device: Option<i64>,
    /// The newest seq that any other device wrote.
    pub newest_other_seq: i64,
}

impl LogHead {
    /// The newest seq that a device other than this one wrote.
    pub fn newest_seq_of_others(&self, device: i64) -> i64 {
        if self.device == Some(device) { self.newest_other_seq } else { self.seq }
    }

    /// The head after this device has written up to `last_seq`.
    #[must_use]
    pub fn advanced(self, device: i64, last_seq: i64) -> Self {
        let newest_other_seq = self.newest_seq_of_others(device);
        Self { seq: last_seq, device: Some(device), newest_other_seq }
    }

    /// The position that is safe to pull from after a device wrote up to `last_seq`. It is beyond the device's own
    /// changes only if the device had been given everything before them: what others wrote and, after a
    /// reinstallation, its own past.
    pub fn safe_position(&self, device: &LogDevice, last_seq: i64) -> i64 {
        let own_past = device.own_until.min(self.seq);
        let due = self.newest_seq_of_others(device.id).max(own_past);
        if due <= device.pulled_seq { last_seq } else { device.pulled_seq }
    }
}

/// The state of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogState {
    /// Its newest entries.
    pub head: LogHead,
    /// Changes in the log.
    pub total_changes: u64,
    /// Bytes of their data as sent.
    pub change_bytes: u64,
    /// The master keys under which it accepts entries.
    pub keys: OpenKeys,
}

/// A device of a log, as push and pull need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogDevice {
    /// Its row.
    pub id: i64,
    /// Whether it was removed.
    pub is_removed: bool,
    /// It has been given everything up to this seq.
    pub pulled_seq: i64,
    /// Up to this seq it is given its own entries too.
    pub own_until: i64,
}

impl LogDevice {
    /// Where it continues if its cursor comes from a history that was lost: at the last position that it was given.
    /// But a device whose cursor is older than that has lost a page on its way, or was itself restored, and starts
    /// over.
    pub fn resume_seq(&self, lost: Cursor) -> i64 {
        if lost.seq() < self.pulled_seq { BASE_SEQ } else { self.pulled_seq }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: i64, pulled_seq: i64, own_until: i64) -> LogDevice {
        LogDevice { id, is_removed: false, pulled_seq, own_until }
    }

    #[test]
    fn a_head_remembers_the_newest_seq_of_everybody_else() {
        let empty = LogHead { seq: 1, device: None, newest_other_seq: 1 };
        let one_writer = empty.advanced(7, 10).advanced(7, 20);
        assert_eq!((one_writer.newest_seq_of_others(7), one_writer.newest_seq_of_others(8)), (1, 20));
        let two_writers = one_writer.advanced(8, 21);
        assert_eq!((two_writers.newest_seq_of_others(7), two_writers.newest_seq_of_others(8)), (21, 20));
        let third = two_writers.advanced(7, 22);
        assert_eq!(
            (third.newest_seq_of_others(7), third.newest_seq_of_others(8), third.newest_seq_of_others(9)),
            (21, 22, 22)
        );
    }

    #[test]
    fn a_push_never_skips_what_others_wrote() {
        let head = LogHead { seq: 20, device: Some(8), newest_other_seq: 10 };
        let safe = |id, pulled_seq| head.safe_position(&device(id, pulled_seq, 0), 25);
        assert_eq!((safe(7, 15), safe(7, 20), safe(8, 10)), (15, 25, 25));
    }

    #[test]
    fn a_push_never_skips_what_a_reinstalled_device_has_yet_to_get_of_its_own() {
        let alone = LogHead { seq: 20, device: Some(7), newest_other_seq: 1 };
        let safe = |pulled_seq| alone.safe_position(&device(7, pulled_seq, 20), 25);
        assert_eq!((safe(10), safe(20)), (10, 25));
    }
}
