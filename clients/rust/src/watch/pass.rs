//! One way through a log, page by page: what came, in which order, and whether it fits together.

use tidelog_protocol::Cursor;
use uuid::Uuid;

use super::evidence::Evidence;
use super::rows::Rows;
use super::streams::{Allowance, Place, Streams, Verdict};
use crate::formats::{FormatError, Head, Names, Opened, Vault};

/// Rows that a client keeps in mind, at most; beyond it, heads are checked by
/// [`verify`](crate::SyncKitClient::verify) only. A row takes about 150 bytes.
pub(crate) const MAX_ROWS: usize = 1_000_000;

/// An entry that opened, as a pass looks at it.
pub(crate) struct Observed<'a> {
    pub(crate) seq: i64,
    pub(crate) device_id: Uuid,
    /// Its names as they stand on the wire.
    pub(crate) wire: Names<'a>,
    pub(crate) deletes: bool,
    pub(crate) opened: &'a Opened,
}

/// An entry of this client's own that the server has taken and does not give back.
#[derive(Clone, Debug)]
pub(crate) struct OwnEntry {
    pub(crate) wire: Names<'static>,
    pub(crate) deletes: bool,
    /// Its place; in the log, once that is known.
    pub(crate) place: Place,
}

impl OwnEntry {
    /// The entry, at this place in the log.
    pub(super) fn at(self, seq: i64) -> Self {
        Self { place: Place { seq, ..self.place }, ..self }
    }
}

/// How many heads could be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeadCount {
    pub(crate) checked: u64,
    pub(crate) unchecked: u64,
}

/// A way through a log, from its beginning or from where a client came in.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    pub(crate) streams: Streams,
    /// `None` where not every entry since the beginning was seen.
    pub(crate) rows: Option<Rows>,
    /// Everything up to here has been seen.
    pub(crate) reached: Cursor,
    /// Whether the log had no more than that.
    pub(crate) caught_up: bool,
    pub(crate) compacted_through: i64,
    pub(crate) heads: HeadCount,
    joined_late: bool,
    /// Before this place, what was removed as superseded may be missing from the sums.
    conclusive_from: i64,
}

impl Pass {
    pub(crate) fn from_start() -> Self {
        Self {
            streams: Streams::default(),
            rows: Some(Rows::default()),
            reached: Cursor::Start,
            caught_up: false,
            compacted_through: 0,
            heads: HeadCount::default(),
            joined_late: false,
            conclusive_from: 0,
        }
    }

    /// `joined_late`: streams may be there that are not known yet.
    pub(crate) fn from_middle(reached: Cursor, streams: Streams, joined_late: bool) -> Self {
        Self { streams, rows: None, reached, joined_late, ..Self::from_start() }
    }

    pub(crate) fn joined_late(&self) -> bool {
        self.joined_late
    }

    /// Goes on at a place beyond what was seen.
    pub(crate) fn jump(&mut self, to: Cursor) {
        self.streams.loosen();
        (self.rows, self.joined_late, self.reached) = (None, true, to);
    }

    /// Hears of removed entries before the page that lacks them is looked at.
    pub(crate) fn note_compaction(&mut self, compacted_through: i64) {
        if compacted_through > self.reached.seq() {
            self.compacted_through = self.compacted_through.max(compacted_through);
            // Until the end of the log is reached, what superseded a removed entry may still be to come.
            self.conclusive_from = i64::MAX;
        }
    }

    /// Takes the next entry of the log. `false`: it was there before, and is not to be applied again.
    pub(crate) fn observe(
        &mut self,
        vault: &Vault,
        entry: &Observed<'_>,
        compare_heads: bool,
        evidence: &mut Vec<Evidence>,
    ) -> Result<bool, FormatError> {
        let place = Place::of(entry.seq, entry.opened);
        match self.follow(place) {
            Verdict::Next => {}
            Verdict::Duplicate => return Ok(false),
            Verdict::Wrong(found) => {
                let moved_back = matches!(found, Evidence::Forked { .. });
                evidence.push(found);
                if moved_back {
                    return Ok(false);
                }
            }
        }
        if let Some(head) = &entry.opened.head {
            self.compare(vault, entry, head, compare_heads, evidence)?;
        }
        self.count_row(entry.seq, &entry.wire, &place, entry.deletes)?;
        Ok(true)
    }

    /// Takes an own entry, which the server does not give back.
    pub(crate) fn observe_own(&mut self, entry: &OwnEntry) -> Result<(), FormatError> {
        if self.follow(entry.place) == Verdict::Duplicate {
            return Ok(());
        }
        self.count_row(entry.place.seq, &entry.wire, &entry.place, entry.deletes)
    }

    /// The page that begins at or before what was reached has been looked at up to here.
    pub(crate) fn arrive(&mut self, at: Cursor, has_more: bool) {
        if at.seq() >= self.reached.seq() {
            self.reached = at;
        }
        self.caught_up = !has_more;
        if self.caught_up && self.conclusive_from == i64::MAX {
            self.conclusive_from = self.reached.seq();
        }
    }

    /// What a writer who has seen all this seals into its next entry.
    pub(crate) fn head(&mut self, vault: &Vault) -> Option<Head> {
        let seq = self.reached.seq();
        let rows = self.rows.as_mut().filter(|_| self.caught_up && self.conclusive_from <= seq)?;
        let digest = rows.digest_at(seq, vault.key_version(), &vault.current().keys.head).ok()??;
        Some(Head { seq: u64::try_from(seq).ok()?, key_version: vault.key_version(), digest })
    }

    fn follow(&mut self, place: Place) -> Verdict {
        let allowance =
            Allowance { joined_late: self.joined_late, compacted_through: self.compacted_through };
        self.streams.observe(place, allowance)
    }

    fn count_row(
        &mut self,
        seq: i64,
        wire: &Names<'_>,
        place: &Place,
        deletes: bool,
    ) -> Result<(), FormatError> {
        let counted = match &mut self.rows {
            Some(rows) => rows.observe(seq, wire, place.link, deletes)? && rows.len() <= MAX_ROWS,
            None => false,
        };
        if !counted {
            self.rows = None;
        }
        Ok(())
    }

    fn compare(
        &mut self,
        vault: &Vault,
        entry: &Observed<'_>,
        head: &Head,
        compare_heads: bool,
        evidence: &mut Vec<Evidence>,
    ) -> Result<(), FormatError> {
        let up_to = i64::try_from(head.seq).unwrap_or(i64::MAX);
        if up_to >= entry.seq {
            evidence.push(Evidence::Disordered { seq: entry.seq });
            return Ok(());
        }
        let comparable = compare_heads && up_to >= self.conclusive_from;
        let digest = match (&mut self.rows, vault.master(head.key_version)) {
            (Some(rows), Some(master)) if comparable => {
                rows.digest_at(up_to, head.key_version, &master.keys.head)?
            }
            _ => None,
        };
        let Some(digest) = digest else {
            self.heads.unchecked += 1;
            return Ok(());
        };
        self.heads.checked += 1;
        if digest != head.digest {
            evidence.push(Evidence::OtherPast { seq: entry.seq, device_id: entry.device_id, up_to });
            // The two pasts stay different: once told, every later head would say it again.
            self.rows = None;
        }
        Ok(())
    }
}
