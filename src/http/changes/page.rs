//! A page of entries, written straight into the response body while the rows step out of the database.
//!
//! Pulls, rotations and exports share one sink: so the scan of a log is compiled once, and everything that it does
//! for an entry can be inlined into its loop.

use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use tidelog_protocol::{Cursor, Timestamp};
use uuid::Uuid;

use crate::http::memory::MemoryPermit;
use crate::model::changes::{Data, EntrySink, RowId, StoredEntry, write_base64};

/// Bytes of a page of small entries; larger ones grow the buffer.
const CAPACITY: usize = 16 * 1024;

/// Bytes handed over to a connection at a time.
const SLICE_BYTES: usize = 64 * 1024;

/// The body so far.
pub struct EntryPage {
    body: Vec<u8>,
    /// Between two entries.
    separator: u8,
    entries: u64,
    remaining: Option<u64>,
}

impl Default for EntryPage {
    fn default() -> Self {
        Self::named("changes")
    }
}

impl EntryPage {
    /// An empty page of changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty page whose list has this name.
    pub(in crate::http) fn named(list: &'static str) -> Self {
        let mut page = Self { separator: b',', ..Self::lines() };
        page.text("{\"");
        page.text(list);
        page.text("\":[");
        page
    }

    /// Entries for an archive, one on each line.
    pub(in crate::http) fn lines() -> Self {
        Self { body: Vec::with_capacity(CAPACITY), separator: b'\n', entries: 0, remaining: None }
    }

    /// Adds how many entries a rotation has left to do.
    pub(in crate::http) fn with_remaining(self, remaining: u64) -> Self {
        Self { remaining: Some(remaining), ..self }
    }

    /// The lines, and how many there are.
    pub(in crate::http) fn into_lines(mut self) -> (Vec<u8>, u64) {
        if self.entries > 0 {
            self.body.push(b'\n');
        }
        (self.body, self.entries)
    }

    /// The whole body, which releases its memory and calls `sent` once the connection has taken all of it.
    pub(in crate::http) fn finish(
        mut self,
        cursor: Cursor,
        has_more: bool,
        mut permit: MemoryPermit,
        sent: impl FnOnce() + 'static,
    ) -> PageBody {
        self.body.extend_from_slice(br#"],"cursor":"#);
        self.write(&cursor);
        let _ = write!(self.body, r#","has_more":{has_more}"#);
        if let Some(remaining) = self.remaining {
            let _ = write!(self.body, r#","remaining":{remaining}"#);
        }
        self.text("}");
        permit.shrink_to(self.body.len());
        PageBody { left: self.body.into(), sent: Some(Box::new(sent)), _permit: permit }
    }

    /// Writing into memory cannot fail, and every type here serialises.
    fn write(&mut self, value: &impl serde::Serialize) {
        let _ = serde_json::to_writer(&mut self.body, value);
    }
}

impl EntrySink for EntryPage {
    fn entry(&mut self, entry: &StoredEntry<'_>) -> usize {
        let before = self.body.len();
        if self.entries > 0 {
            self.body.push(self.separator);
        }
        self.entries += 1;
        self.write_entry(entry);
        self.body.len() - before
    }
}

impl EntryPage {
    /// Writes a [`tidelog_protocol::Entry`] as serde would, without a string for each of its parts; a test compares
    /// the two.
    fn write_entry(&mut self, entry: &StoredEntry<'_>) {
        self.text(r#"{"seq":"#);
        self.write(&entry.seq);
        self.text(r#","device_id":"#);
        self.uuid(entry.device);
        // A table name has nothing to escape: see `check_table`.
        self.text(r#","table":""#);
        self.text(entry.table);
        self.text(r#"","op":""#);
        self.text(entry.op.as_str());
        self.text(r#"","row_id":"#);
        match entry.row_id {
            RowId::Uuid(id) => self.uuid(id),
            RowId::Text(text) => self.write(&text),
        }
        self.text(r#","timestamp":""#);
        Timestamp::from_micros(entry.time_us).unwrap_or(Timestamp::EPOCH).write_to(&mut self.body);
        self.text(r#"","data":"#);
        match entry.data {
            Data::Nothing => self.text("null"),
            Data::Base64(bytes) => {
                self.body.push(b'"');
                write_base64(bytes, &mut self.body);
                self.body.push(b'"');
            }
            Data::Text(text) => self.write(&text),
        }
        self.text(r#","key_version":"#);
        self.write(&entry.key_version);
        self.body.push(b'}');
    }

    fn text(&mut self, text: &str) {
        self.body.extend_from_slice(text.as_bytes());
    }

    fn uuid(&mut self, id: Uuid) {
        self.body.push(b'"');
        self.text(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        self.body.push(b'"');
    }
}

/// A finished page on its way to a client. It is handed over in slices, as fast as the client takes them.
pub(in crate::http) struct PageBody {
    left: Bytes,
    sent: Option<Box<dyn FnOnce()>>,
    _permit: MemoryPermit,
}

impl MessageBody for PageBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.left.len() as u64)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let page = self.get_mut();
        let slice = page.left.split_to(page.left.len().min(SLICE_BYTES));
        if page.left.is_empty()
            && let Some(sent) = page.sent.take()
        {
            sent();
        }
        Poll::Ready((!slice.is_empty()).then_some(Ok(slice)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidelog_protocol::{Entry, Text};

    use super::*;
    use crate::model::changes::SpelledOp;

    proptest! {
        #[test]
        fn an_entry_is_written_as_serde_would_write_it(
            seq in 2..=i64::MAX,
            device: u128,
            table in "[A-Za-z0-9_]{1,20}",
            op in prop::sample::select(vec!["insert", "UPDATE", "Delete"]),
            row_id in prop_oneof![".{1,20}", Just("01890a5d-ac96-774b-bcce-b302099a8057".to_owned())],
            micros in -62_167_219_200_000_000i64..=253_402_300_799_999_999,
            data in prop::option::of(prop_oneof![".{0,20}", "[A-Za-z0-9+/]{4}{0,9}"]),
            key_version: u32,
        ) {
            let decoded: Vec<u8>;
            let mut page = EntryPage { body: Vec::new(), ..EntryPage::lines() };
            page.entry(&StoredEntry {
                seq,
                device: Uuid::from_u128(device),
                table: &table,
                op: SpelledOp::parse(op).expect("an operation"),
                row_id: RowId::parse(&row_id),
                time_us: micros,
                key_version,
                data: match &data {
                    None => Data::Nothing,
                    Some(text) => match data_encoding::BASE64.decode(text.as_bytes()) {
                        Ok(bytes) => {
                            decoded = bytes;
                            Data::Base64(&decoded)
                        }
                        Err(_) => Data::Text(text),
                    },
                },
            });
            let by_serde = serde_json::to_string(&Entry {
                seq,
                device_id: Uuid::from_u128(device),
                table: Text::from(table.as_str()),
                op: Text::from(op),
                row_id: Text::from(row_id.as_str()),
                timestamp: Timestamp::from_micros(micros).expect("in range"),
                data: data.as_deref().map(Text::from),
                key_version,
            }).expect("it serialises");
            prop_assert_eq!(String::from_utf8(page.body).expect("text"), by_serde);
        }
    }
}
