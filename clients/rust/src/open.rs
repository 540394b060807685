//! A page of a pull, opened: each entry in its slot, and what does not open kept apart.

use tidelog_protocol::{Cursor, Entry, Op, PullResponse};

use crate::encryption::HeldKey;
use crate::formats::{FormatError, Kind, Names, Opened, Slot, open_entry};
use crate::watch::{Observed, Standing};
use crate::{ChangeEntry, Evidence, PulledChange, QuarantineReason, QuarantinedEntry, Result};

/// What became of one entry. Its place is its index in the page.
struct Outcome {
    /// What was inside, for entries that opened.
    opened: Option<Opened>,
    /// `Ok(None)`: the SDK's word to itself.
    change: Result<Option<PulledChange>, QuarantinedEntry>,
}

/// The entries of a page, in its order.
pub(crate) struct OpenedPage(Vec<Outcome>);

/// Opens a page that was pulled from `from`.
///
/// # Errors
/// Numbers that do not ascend between the two cursors, and a cursor that leads back, or nowhere while there is more: that is
/// no page.
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
    Ok(OpenedPage(page.changes.iter().map(|entry| outcome(key, entry)).collect()))
}

impl OpenedPage {
    /// What shows that entries were altered. Not those under an older key than this client has: they may be from before it.
    pub(crate) fn evidence_of_alteration(&self, newest_version: u32) -> Vec<Evidence> {
        let altered = |outcome: &Outcome| {
            let entry = outcome.change.as_ref().err()?;
            let reason = entry.reason;
            match reason {
                QuarantineReason::Unreadable(FormatError::WrongKey { want, .. })
                    if want <= newest_version =>
                {
                    None
                }
                QuarantineReason::NotJson | QuarantineReason::Repeated => None,
                _ => Some(Evidence::Altered { seq: entry.seq, reason }),
            }
        };
        self.0.iter().filter_map(altered).collect()
    }

    /// The entries that opened, beside where they stand.
    pub(crate) fn observed<'a>(&'a self, entries: &'a [Entry<'_>]) -> Vec<Observed<'a>> {
        let observe = |(outcome, entry): (&'a Outcome, &'a Entry<'_>)| {
            let opened = outcome.opened.as_ref()?;
            let wire = Names::new(&entry.table, &entry.row_id);
            let deletes = opened.kind == Kind::Tombstone;
            Some(Observed { seq: entry.seq, device_id: entry.device_id, wire, deletes, opened })
        };
        self.0.iter().zip(entries).filter_map(observe).collect()
    }

    /// Keeps apart what was in the log before; `standings` are those of the entries that opened.
    pub(crate) fn take_out_repeated(&mut self, entries: &[Entry<'_>], standings: &[Standing]) {
        let opened = self.0.iter_mut().zip(entries).filter(|(outcome, _)| outcome.opened.is_some());
        for ((outcome, entry), standing) in opened.zip(standings) {
            if *standing == Standing::Repeated {
                outcome.change = Err(kept_apart(entry, QuarantineReason::Repeated));
            }
        }
    }

    /// What opened, and what did not.
    pub(crate) fn into_parts(self) -> (Vec<PulledChange>, Vec<QuarantinedEntry>) {
        let (mut changes, mut quarantined) = (Vec::with_capacity(self.0.len()), Vec::new());
        for outcome in self.0 {
            match outcome.change {
                Ok(change) => changes.extend(change),
                Err(entry) => quarantined.push(entry),
            }
        }
        (changes, quarantined)
    }
}

fn outcome(key: &HeldKey, entry: &Entry<'_>) -> Outcome {
    match opened_entry(key, entry) {
        Err(reason) => Outcome { opened: None, change: Err(kept_apart(entry, reason)) },
        Ok((op, opened)) => {
            let change = change_of(entry, op, &opened).map_err(|reason| kept_apart(entry, reason));
            Outcome { opened: Some(opened), change }
        }
    }
}

fn opened_entry(key: &HeldKey, entry: &Entry<'_>) -> Result<(Op, Opened), QuarantineReason> {
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

/// The change inside an entry, `None` for what the SDK has written for itself.
fn change_of(entry: &Entry<'_>, op: Op, opened: &Opened) -> Result<Option<PulledChange>, QuarantineReason> {
    let data = match opened.kind {
        Kind::Value => serde_json::from_slice(&opened.payload).map_err(|_| QuarantineReason::NotJson)?,
        Kind::Tombstone => None,
        Kind::Control => return Ok(None),
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

fn kept_apart(entry: &Entry<'_>, reason: QuarantineReason) -> QuarantinedEntry {
    QuarantinedEntry {
        seq: entry.seq,
        device_id: entry.device_id,
        table: entry.table.as_str().to_owned(),
        op: entry.op.as_str().to_owned(),
        row_id: entry.row_id.as_str().to_owned(),
        timestamp: entry.timestamp.into(),
        key_version: entry.key_version,
        reason,
    }
}
