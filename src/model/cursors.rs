//! Which cursors belong to the history that this database holds.

use std::collections::HashMap;

use tidelog_protocol::{Cursor, EpochTag};

/// A position before every change. No change has this seq, and yet it is not "the start": a device that continues
/// from here was not reinstalled.
pub const BASE_SEQ: i64 = 1;

/// One opening of the database for serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Its row.
    pub id: i64,
    /// The tag that its cursors carry.
    pub tag: EpochTag,
    /// The first seq that it could assign.
    pub first_seq: i64,
}

/// The epochs of a database. The last one is open.
#[derive(Clone, Debug)]
pub struct Epochs {
    current: Epoch,
    /// The last seq of each closed epoch.
    closed: HashMap<EpochTag, i64>,
}

impl Epochs {
    /// From all epochs of a database, oldest first. `None` if there are none.
    pub fn new(all: &[Epoch]) -> Option<Self> {
        let closed = all.windows(2).map(|pair| (pair[0].tag, pair[1].first_seq - 1)).collect();
        Some(Self { current: *all.last()?, closed })
    }

    /// The epoch that is open.
    pub fn current(&self) -> Epoch {
        self.current
    }

    /// Returns the position of a cursor, where `head` is the newest seq of the whole database. `None`: the cursor
    /// comes from a history that was lost.
    pub fn resolve(&self, cursor: Cursor, head: i64) -> Option<i64> {
        let (seq, end) = match cursor {
            Cursor::Start => (BASE_SEQ, head),
            Cursor::Number(seq) => (seq, head),
            Cursor::InEpoch { seq, epoch } if epoch == self.current.tag => (seq, head),
            Cursor::InEpoch { seq, epoch } => (seq, *self.closed.get(&epoch)?),
        };
        (seq <= end).then_some(seq.max(BASE_SEQ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(byte: u8) -> EpochTag {
        EpochTag::from_random([byte; 5])
    }

    fn two_epochs() -> Epochs {
        let first = Epoch { id: 1, tag: tag(1), first_seq: 2 };
        let second = Epoch { id: 2, tag: tag(2), first_seq: 11 };
        Epochs::new(&[first, second]).expect("two epochs are some")
    }

    #[test]
    fn a_cursor_is_good_up_to_where_its_epoch_ended() {
        let epochs = two_epochs();
        assert_eq!(epochs.resolve(Cursor::InEpoch { seq: 10, epoch: tag(1) }, 30), Some(10));
        assert_eq!(epochs.resolve(Cursor::InEpoch { seq: 11, epoch: tag(1) }, 30), None);
        assert_eq!(epochs.resolve(Cursor::InEpoch { seq: 30, epoch: tag(2) }, 30), Some(30));
        assert_eq!(epochs.resolve(Cursor::InEpoch { seq: 31, epoch: tag(2) }, 30), None);
    }

    #[test]
    fn an_unknown_epoch_is_a_lost_history_at_any_seq() {
        assert_eq!(two_epochs().resolve(Cursor::InEpoch { seq: 1, epoch: tag(3) }, 30), None);
    }

    #[test]
    fn an_integer_is_good_up_to_the_head() {
        let epochs = two_epochs();
        assert_eq!(epochs.resolve(Cursor::Number(30), 30), Some(30));
        assert_eq!(epochs.resolve(Cursor::Number(31), 30), None);
        assert_eq!(epochs.resolve(Cursor::Start, 30), Some(BASE_SEQ));
    }
}
