//! One scan of a log, page by page: what came, in which order, and whether it fits together.

use tidelog_protocol::Cursor;
use uuid::Uuid;

use super::row_set::RowSet;
use super::streams::{AllowedGaps, ChainCheck, ChainEntry, Streams};
use crate::evidence::Evidence;
use crate::formats::{FormatError, Head, Names, OpenedEntry, Vault};

/// Rows that are kept in memory; beyond that, only [`verify`](crate::SyncKitClient::verify) checks heads. A row takes
/// about 150 bytes.
const MAX_ROWS: usize = 1_000_000;

/// An entry that opened, as a scan looks at it.
pub(crate) struct ObservedEntry<'a> {
    pub(crate) seq: i64,
    pub(crate) device_id: Uuid,
    /// Its names as they are on the wire.
    pub(crate) wire: Names<'a>,
    pub(crate) deletes: bool,
    pub(crate) opened: &'a OpenedEntry,
}

/// An entry of this client's own, which the server has stored and does not give back.
#[derive(Clone, Debug)]
pub(crate) struct OwnEntry {
    pub(crate) wire: Names<'static>,
    pub(crate) deletes: bool,
    /// Its seq is 0 until the server has told it.
    pub(crate) chain: ChainEntry,
}

impl OwnEntry {
    /// The entry, now that its seq is known.
    pub(super) fn at(self, seq: i64) -> Self {
        Self { chain: ChainEntry { seq, ..self.chain }, ..self }
    }
}

/// How many heads could be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeadCount {
    pub(crate) checked: u64,
    pub(crate) unchecked: u64,
}

/// A scan of a log, from its start or from where a client joined.
#[derive(Clone, Debug)]
pub(crate) struct LogScan {
    pub(crate) streams: Streams,
    /// `None` if not every entry since the start was seen.
    pub(crate) rows: Option<RowSet>,
    /// Everything up to here has been seen.
    pub(crate) reached: Cursor,
    /// Whether that was the end of the log.
    pub(crate) caught_up: bool,
    pub(crate) compacted_through: i64,
    pub(crate) heads: HeadCount,
    joined_late: bool,
    /// Before this seq, removed entries may be missing from the digests.
    conclusive_from: i64,
}

impl LogScan {
    pub(crate) fn from_start() -> Self {
        Self {
            streams: Streams::default(),
            rows: Some(RowSet::default()),
            reached: Cursor::Start,
            caught_up: false,
            compacted_through: 0,
            heads: HeadCount::default(),
            joined_late: false,
            conclusive_from: 0,
        }
    }

    /// `joined_late`: the log may have streams that are not known yet.
    pub(super) fn from_middle(reached: Cursor, streams: Streams, joined_late: bool) -> Self {
        Self { streams, rows: None, reached, joined_late, ..Self::from_start() }
    }

    pub(super) fn joined_late(&self) -> bool {
        self.joined_late
    }

    /// Goes on at a position beyond what was seen.
    pub(super) fn skip_to(&mut self, to: Cursor) {
        self.streams.loosen();
        (self.rows, self.joined_late, self.reached) = (None, true, to);
    }

    /// Takes note of removed entries before the page that lacks them is checked.
    pub(crate) fn note_compaction(&mut self, compacted_through: i64) {
        if compacted_through > self.reached.seq() {
            self.compacted_through = self.compacted_through.max(compacted_through);
            // Until the end of the log is reached, the entry that superseded a removed one may still be to come.
            self.conclusive_from = i64::MAX;
        }
    }

    /// Checks the next entry of the log. Returns `false` if it was there before and must not be applied again.
    pub(crate) fn observe(
        &mut self,
        vault: &Vault,
        entry: &ObservedEntry<'_>,
        compare_heads: bool,
        evidence: &mut Vec<Evidence>,
    ) -> Result<bool, FormatError> {
        let chain = ChainEntry::new(entry.seq, entry.opened);
        match self.check_chain(chain) {
            ChainCheck::Next => {}
            ChainCheck::Duplicate => return Ok(false),
            ChainCheck::Broken(found) => {
                evidence.push(found);
                if matches!(found, Evidence::Forked { .. }) {
                    return Ok(false);
                }
            }
        }
        if let Some(head) = &entry.opened.head {
            self.check_head(vault, entry, head, compare_heads, evidence)?;
        }
        self.count_row(&entry.wire, &chain, entry.deletes)?;
        Ok(true)
    }

    /// Takes in an own entry, which the server does not give back.
    pub(super) fn observe_own(&mut self, entry: &OwnEntry) -> Result<(), FormatError> {
        if self.check_chain(entry.chain) == ChainCheck::Duplicate {
            return Ok(());
        }
        self.count_row(&entry.wire, &entry.chain, entry.deletes)
    }

    /// The page that starts at or before what was reached has been checked up to here.
    pub(crate) fn advance(&mut self, to: Cursor, has_more: bool) {
        if to.seq() >= self.reached.seq() {
            self.reached = to;
        }
        self.caught_up = !has_more;
        if self.caught_up && self.conclusive_from == i64::MAX {
            self.conclusive_from = self.reached.seq();
        }
    }

    /// Returns the head that a writer who has seen all this seals into its next entry.
    pub(super) fn head(&mut self, vault: &Vault) -> Option<Head> {
        let seq = self.reached.seq();
        let rows = self.rows.as_mut().filter(|_| self.caught_up && self.conclusive_from <= seq)?;
        let digest = rows.digest_at(seq, vault.key_version(), &vault.current().keys.head).ok()??;
        Some(Head { seq: u64::try_from(seq).ok()?, key_version: vault.key_version(), digest })
    }

    fn check_chain(&mut self, entry: ChainEntry) -> ChainCheck {
        let gaps = AllowedGaps { joined_late: self.joined_late, compacted_through: self.compacted_through };
        self.streams.observe(entry, gaps)
    }

    fn count_row(&mut self, wire: &Names<'_>, entry: &ChainEntry, deletes: bool) -> Result<(), FormatError> {
        let counted = match &mut self.rows {
            Some(rows) => rows.observe(entry.seq, wire, entry.link, deletes)? && rows.len() <= MAX_ROWS,
            None => false,
        };
        if !counted {
            self.rows = None;
        }
        Ok(())
    }

    fn check_head(
        &mut self,
        vault: &Vault,
        entry: &ObservedEntry<'_>,
        head: &Head,
        compare: bool,
        evidence: &mut Vec<Evidence>,
    ) -> Result<(), FormatError> {
        let up_to = i64::try_from(head.seq).unwrap_or(i64::MAX);
        if up_to >= entry.seq {
            evidence.push(Evidence::Disordered { seq: entry.seq });
            return Ok(());
        }
        let comparable = compare && up_to >= self.conclusive_from;
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
            // The two pasts stay different: every later head would report it again.
            self.rows = None;
        }
        Ok(())
    }
}
