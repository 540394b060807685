//! Heads of logs: enough about who wrote last to tell, in one look, whether a device has seen all that it must.

/// Where the writers of a log stand: enough to tell in one look whether a device has seen all that others wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// The newest seq.
    pub seq: i64,
    /// The device that wrote it; `None` while the log is empty.
    pub device: Option<i64>,
    /// The newest seq that any other device wrote.
    pub other_seq: i64,
}

impl LogHead {
    /// The newest seq that some device other than this one wrote.
    pub fn foreign_seq(&self, device: i64) -> i64 {
        if self.device == Some(device) { self.other_seq } else { self.seq }
    }

    /// The head after this device has written up to `last_seq`.
    #[must_use]
    pub fn advanced(self, device: i64, last_seq: i64) -> Self {
        Self { seq: last_seq, device: Some(device), other_seq: self.foreign_seq(device) }
    }

    /// The position that is safe to pull from after a device wrote up to `last_seq`: beyond its own changes only if it had
    /// been given everything before them, what others wrote and, after a reinstallation, its own past as well.
    pub fn safe_position(&self, reader: &Reader, last_seq: i64) -> i64 {
        let own_past = reader.own_until.min(self.seq);
        let to_be_given = self.foreign_seq(reader.device).max(own_past);
        if to_be_given <= reader.pulled_seq { last_seq } else { reader.pulled_seq }
    }
}

/// How far a device has read its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The device.
    pub device: i64,
    /// It has been given everything up to here.
    pub pulled_seq: i64,
    /// Up to here it is to be given its own entries too.
    pub own_until: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_remembers_the_newest_seq_of_everybody_else() {
        let empty = LogHead { seq: 1, device: None, other_seq: 1 };
        let one_writer = empty.advanced(7, 10).advanced(7, 20);
        assert_eq!((one_writer.foreign_seq(7), one_writer.foreign_seq(8)), (1, 20));
        let two_writers = one_writer.advanced(8, 21);
        assert_eq!((two_writers.foreign_seq(7), two_writers.foreign_seq(8)), (21, 20));
        let third = two_writers.advanced(7, 22);
        assert_eq!((third.foreign_seq(7), third.foreign_seq(8), third.foreign_seq(9)), (21, 22, 22));
    }

    #[test]
    fn a_push_never_skips_what_others_wrote() {
        let head = LogHead { seq: 20, device: Some(8), other_seq: 10 };
        let safe = |device, pulled_seq| head.safe_position(&Reader { device, pulled_seq, own_until: 0 }, 25);
        assert_eq!((safe(7, 15), safe(7, 20), safe(8, 10)), (15, 25, 25));
    }

    #[test]
    fn a_push_never_skips_what_a_reinstalled_device_has_yet_to_get_of_its_own() {
        let alone = LogHead { seq: 20, device: Some(7), other_seq: 1 };
        let safe = |pulled_seq| alone.safe_position(&Reader { device: 7, pulled_seq, own_until: 20 }, 25);
        assert_eq!((safe(10), safe(20)), (10, 25));
    }
}
