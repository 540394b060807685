//! A page of a pull, written straight into the answer's body while its rows step out of the database.

use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use tidelog_protocol::{Cursor, Entry, Text, Timestamp};

use crate::http::memory::Room;
use crate::model::changes::{EntrySink, StoredEntry};

/// What a page of small entries takes; larger ones grow the buffer.
const CAPACITY: usize = 16 * 1024;

/// What is handed over to a connection at a time.
const SLICE_BYTES: usize = 64 * 1024;

/// The body so far.
pub(super) struct Page {
    body: Vec<u8>,
    empty: bool,
}

impl Page {
    /// A page with no entries yet.
    pub(super) fn new() -> Self {
        let mut body = Vec::with_capacity(CAPACITY);
        body.extend_from_slice(br#"{"changes":["#);
        Self { body, empty: true }
    }

    /// The whole body, which gives its memory back and calls `sent` once it has been handed over to the connection.
    pub(super) fn finish(
        mut self,
        cursor: Cursor,
        has_more: bool,
        mut room: Room,
        sent: impl FnOnce() + 'static,
    ) -> PageBody {
        self.body.extend_from_slice(br#"],"cursor":"#);
        self.write(&cursor);
        let _ = write!(self.body, r#","has_more":{has_more}}}"#);
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
        self.write(&Entry {
            seq: entry.seq,
            device_id: entry.device,
            table: Text::from(entry.table),
            op: Text::from(entry.op),
            row_id: Text::from(entry.row_id),
            timestamp: Timestamp::from_micros(entry.time_us).unwrap_or(Timestamp::EPOCH),
            data: entry.data.map(Text::from),
            key_version: entry.key_version,
        });
        self.body.len() - before
    }
}

/// A finished page on its way to a client, which may be slow: it goes over in slices, as fast as the client takes them.
pub(super) struct PageBody {
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
