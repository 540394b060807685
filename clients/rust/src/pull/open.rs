//! Opens the entries of a pulled page, each in its slot.

use tidelog_protocol::{Cursor, Entry, Op, PullResponse};

use super::page::PulledChange;
use crate::change::ChangeEntry;
use crate::evidence::Evidence;
use crate::formats::{EntryKind, FormatError, Names, OpenedEntry, Slot, open_entry};
use crate::master_key::HeldKey;
use crate::quarantine::{QuarantineReason, QuarantinedEntry};
use crate::watch::{EntryStatus, ObservedEntry};

/// One entry of a page, after the attempt to open it.
struct PageEntry {
    /// Its plaintext, if it opened.
    opened: Option<OpenedEntry>,
    /// `Ok(None)` for a control entry, which the SDK has written for itself.
    change: Result<Option<PulledChange>, QuarantinedEntry>,
}

/// The entries of a page, in its order.
pub(crate) struct OpenedPage(Vec<PageEntry>);

/// Opens a page that was pulled from `from`.
///
/// # Errors
/// Numbers that do not ascend between the two cursors, a cursor that goes backwards, or one that stays although there
/// is more: such an answer is not a page of a log.
pub(crate) fn open_page(
    key: &HeldKey,
    page: &PullResponse<'_>,
    from: Cursor,
) -> Result<OpenedPage, Evidence> {
    let (start, end) = (from.seq(), page.cursor.seq());
    let mut last = start;
    for entry in &page.changes {
        if entry.seq <= last || entry.seq > end {
            return Err(Evidence::Disordered { seq: entry.seq });
        }
        last = entry.seq;
    }
    if end < start || (end == start && page.has_more) {
        return Err(Evidence::Disordered { seq: end });
    }
    Ok(OpenedPage(page.changes.iter().map(|entry| PageEntry::open(key, entry)).collect()))
}

impl OpenedPage {
    /// Returns evidence of altered entries. Entries under an older key than this client has prove nothing: they may
    /// be from before it.
    pub(crate) fn evidence_of_alteration(&self, newest_version: u32) -> Vec<Evidence> {
        let evidence = |entry: &PageEntry| {
            let QuarantinedEntry { seq, reason, .. } = *entry.change.as_ref().err()?;
            match reason {
                QuarantineReason::Unreadable(FormatError::WrongKey { want, .. })
                    if want <= newest_version =>
                {
                    None
                }
                QuarantineReason::NotJson | QuarantineReason::Repeated => None,
                _ => Some(Evidence::Altered { seq, reason }),
            }
        };
        self.0.iter().filter_map(evidence).collect()
    }

    /// Returns the entries that opened, as the watch looks at them.
    pub(crate) fn observed<'a>(&'a self, entries: &'a [Entry<'_>]) -> Vec<ObservedEntry<'a>> {
        let observe = |(page_entry, entry): (&'a PageEntry, &'a Entry<'_>)| {
            let opened = page_entry.opened.as_ref()?;
            let wire = Names::new(&entry.table, &entry.row_id);
            let deletes = opened.kind == EntryKind::Tombstone;
            Some(ObservedEntry { seq: entry.seq, device_id: entry.device_id, wire, deletes, opened })
        };
        self.0.iter().zip(entries).filter_map(observe).collect()
    }

    /// Quarantines what was in the log before; `statuses` are those of the entries that opened.
    pub(crate) fn quarantine_repeated(&mut self, entries: &[Entry<'_>], statuses: &[EntryStatus]) {
        let opened = self.0.iter_mut().zip(entries).filter(|(page_entry, _)| page_entry.opened.is_some());
        for ((page_entry, entry), status) in opened.zip(statuses) {
            if *status == EntryStatus::Repeated {
                page_entry.change = Err(QuarantinedEntry::new(entry, QuarantineReason::Repeated));
            }
        }
    }

    /// Returns what opened, and what did not.
    pub(crate) fn into_parts(self) -> (Vec<PulledChange>, Vec<QuarantinedEntry>) {
        let (mut changes, mut quarantined) = (Vec::with_capacity(self.0.len()), Vec::new());
        for entry in self.0 {
            match entry.change {
                Ok(change) => changes.extend(change),
                Err(entry) => quarantined.push(entry),
            }
        }
        (changes, quarantined)
    }
}

impl PageEntry {
    fn open(key: &HeldKey, entry: &Entry<'_>) -> Self {
        let quarantine = |reason| QuarantinedEntry::new(entry, reason);
        match open_in_slot(key, entry) {
            Err(reason) => Self { opened: None, change: Err(quarantine(reason)) },
            Ok((op, opened)) => {
                let change = change_of(entry, op, &opened).map_err(quarantine);
                Self { opened: Some(opened), change }
            }
        }
    }
}

fn open_in_slot(key: &HeldKey, entry: &Entry<'_>) -> Result<(Op, OpenedEntry), QuarantineReason> {
    let op: Op = entry.op.parse().map_err(|_| QuarantineReason::UnknownOp)?;
    let data = entry.data.as_ref().ok_or(QuarantineReason::Unsealed)?;
    let slot = Slot {
        table: &entry.table,
        row_id: &entry.row_id,
        op,
        timestamp_us: entry.timestamp.as_micros(),
        key_version: entry.key_version,
    };
    Ok((op, open_entry(key.vault_for(entry.key_version), &slot, data)?))
}

/// Returns the change inside an entry; `None` for a control entry.
fn change_of(
    entry: &Entry<'_>,
    op: Op,
    opened: &OpenedEntry,
) -> Result<Option<PulledChange>, QuarantineReason> {
    let data = match opened.kind {
        EntryKind::Value => serde_json::from_slice(&opened.payload).map_err(|_| QuarantineReason::NotJson)?,
        EntryKind::Tombstone => None,
        EntryKind::Control => return Ok(None),
    };
    let (table, row_id) = match &opened.names {
        Some(names) => (names.table.clone().into_owned(), names.row_id.clone().into_owned()),
        None => (entry.table.as_str().to_owned(), entry.row_id.as_str().to_owned()),
    };
    Ok(Some(PulledChange {
        entry: ChangeEntry { table, op, row_id, timestamp: entry.timestamp.into(), data },
        seq: entry.seq,
        device_id: entry.device_id,
        key_version: entry.key_version,
    }))
}
