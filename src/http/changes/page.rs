//! A page of a pull or of a rotation, written straight into the answer's body while its rows step out of the database.

use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use tidelog_protocol::{Cursor, Timestamp};
use uuid::Uuid;

use crate::http::memory::Room;
use crate::model::changes::{Data, EntrySink, RowId, StoredEntry, write_base64};

/// What a page of small entries takes; larger ones grow the buffer.
const CAPACITY: usize = 16 * 1024;

/// What is handed over to a connection at a time.
const SLICE_BYTES: usize = 64 * 1024;

/// The body so far.
pub struct Page {
    body: Vec<u8>,
    empty: bool,
    remaining: Option<u64>,
}

impl Default for Page {
    fn default() -> Self {
        Self::of("changes")
    }
}

impl Page {
    /// A page of changes, none of them yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A page whose list goes by this name.
    pub(in crate::http) fn of(list: &'static str) -> Self {
        let mut page = Self { body: Vec::with_capacity(CAPACITY), empty: true, remaining: None };
        page.text("{\"");
        page.text(list);
        page.text("\":[");
        page
    }

    /// Tells how many entries a rotation has left to do.
    pub(in crate::http) fn with_remaining(self, remaining: u64) -> Self {
        Self { remaining: Some(remaining), ..self }
    }

    /// The whole body, which gives its memory back and calls `sent` once it has been handed over to the connection.
    pub(in crate::http) fn finish(
        mut self,
        cursor: Cursor,
        has_more: bool,
        mut room: Room,
        sent: impl FnOnce() + 'static,
    ) -> PageBody {
        self.body.extend_from_slice(br#"],"cursor":"#);
        self.write(&cursor);
        let _ = write!(self.body, r#","has_more":{has_more}"#);
        if let Some(remaining) = self.remaining {
            let _ = write!(self.body, r#","remaining":{remaining}"#);
        }
        self.text("}");
        room.shrink_to(self.body.len());
        PageBody { left: self.body.into(), sent: Some(Box::new(sent)), _room: room }
    }

    /// Writing into memory cannot fail, and every type here serialises.
    fn write(&mut self, value: &impl serde::Serialize) {
        let _ = serde_json::to_writer(&mut self.body, value);
    }
}

impl EntrySink for Page {
    fn entry(&mut self, entry: &StoredEntry<'_>) -> usize {
        let before = self.body.len();
        if !self.empty {
            self.body.push(b',');
        }
        self.empty = false;
        self.write_entry(entry);
        self.body.len() - before
    }
}

/// Entries for an archive: one on a line, up to a seq.
pub(in crate::http) struct Lines {
    page: Page,
    until: i64,
    count: u64,
}

impl Lines {
    /// None yet; those beyond this seq are left out.
    pub(in crate::http) fn until(seq: i64) -> Self {
        let page = Page { body: Vec::with_capacity(CAPACITY), empty: true, remaining: None };
        Self { page, until: seq, count: 0 }
    }

    /// The lines, and how many there are.
    pub(in crate::http) fn finish(self) -> (Vec<u8>, u64) {
        (self.page.body, self.count)
    }
}

impl EntrySink for Lines {
    fn entry(&mut self, entry: &StoredEntry<'_>) -> usize {
        if entry.seq > self.until {
            return 0;
        }
        let before = self.page.body.len();
        self.page.write_entry(entry);
        self.page.body.push(b'\n');
        self.count += 1;
        self.page.body.len() - before
    }
}

impl Page {
    /// [`tidelog_protocol::Entry`] as serde would write it, without a text for each of its parts: a test compares the two.
    fn write_entry(&mut self, entry: &StoredEntry<'_>) {
        self.text(r#"{"seq":"#);
        self.write(&entry.seq);
        self.text(r#","device_id":"#);
        self.uuid(entry.device);
        // A table has nothing to escape, as `check_table` saw to.
        self.text(r#","table":""#);
        self.text(entry.table);
        self.text(r#"","op":""#);
        entry.op.write_to(&mut self.body);
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

/// A finished page on its way to a client, which may be slow: it goes over in slices, as fast as the client takes them.
pub(in crate::http) struct PageBody {
    left: Bytes,
    sent: Option<Box<dyn FnOnce()>>,
    _room: Room,
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
    use crate::model::changes::SpeltOp;

    proptest! {
        #[test]
        fn an_entry_is_written_as_serde_would_write_it(
            seq in 2..=i64::MAX,
            device: u128,
            table in "[A-Za-z0-9_]{1,20}",
            op in prop::sample::select(vec!["insert", "UPDATE", "Delete", "dELeTe"]),
            row_id in prop_oneof![".{1,20}", Just("01890a5d-ac96-774b-bcce-b302099a8057".to_owned())],
            micros in -62_167_219_200_000_000i64..=253_402_300_799_999_999,
            data in prop::option::of(prop_oneof![".{0,20}", "[A-Za-z0-9+/]{4}{0,9}"]),
            key_version: u32,
        ) {
            let decoded: Vec<u8>;
            let mut page = Page { body: Vec::new(), empty: true, remaining: None };
            page.entry(&StoredEntry {
                seq,
                device: Uuid::from_u128(device),
                table: &table,
                op: SpeltOp::parse(op).expect("an operation"),
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
