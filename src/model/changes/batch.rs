//! A batch on its way to the log, packed into two buffers for all of its changes.
//!
//! The request body is dropped by then. Borrowing from it would hold a third more memory while the batch waits, and
//! leave the decoding of base64 to the writer's thread.

use std::str;

use sha2::{Digest, Sha256};
use tidelog_protocol::{Change, ChangeFault, Cursor};
use uuid::Uuid;

use super::check;
use super::stored::{Data, RowId, SpelledOp, base64_len, decode_base64};

/// A push whose every change is valid.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Made by the client, once per batch.
    pub id: Uuid,
    /// The pushing device.
    pub device: Uuid,
    /// Push only if no other device has written beyond this position.
    pub expected_cursor: Option<Cursor>,
    digest: [u8; 32],
    /// Tables, row ids and data that are text, in the order of the changes.
    texts: String,
    /// Data that is bytes, in the same order.
    bytes: Vec<u8>,
    changes: Vec<Packed>,
}

/// One change. Its texts and bytes follow those of the change before it in the buffers of the batch.
#[derive(Clone, Debug)]
struct Packed {
    table: usize,
    row_id: PackedRowId,
    data: PackedData,
    op: SpelledOp,
    time_us: i64,
    key_version: Option<u32>,
}

#[derive(Clone, Debug)]
enum PackedRowId {
    Uuid(Uuid),
    Text(usize),
}

#[derive(Clone, Debug)]
enum PackedData {
    Nothing,
    Base64(usize),
    Text(usize),
}

/// A valid change of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewChange<'a> {
    /// The row's table.
    pub table: &'a str,
    /// The operation.
    pub op: SpelledOp,
    /// The row.
    pub row_id: RowId<'a>,
    /// The client's clock, microseconds since 1970.
    pub time_us: i64,
    /// Opaque.
    pub data: Data<'a>,
    /// The master key that `data` is encrypted under, if the client named it.
    pub key_version: Option<u32>,
}

impl Batch {
    /// Checks and packs the changes of a push.
    ///
    /// # Errors
    /// Every fault of every change.
    pub fn new<'a, 'b: 'a>(
        id: Uuid,
        device: Uuid,
        changes: impl ExactSizeIterator<Item = &'a Change<'b>> + Clone,
        expected_cursor: Option<Cursor>,
    ) -> Result<Self, Vec<ChangeFault>> {
        let mut faults = Vec::new();
        let mut batch = Self {
            id,
            device,
            expected_cursor,
            digest: digest(changes.clone()),
            texts: String::new(),
            bytes: Vec::with_capacity(changes.clone().map(|change| decoded_len(change)).sum()),
            changes: Vec::with_capacity(changes.len()),
        };
        for (index, change) in changes.enumerate() {
            match check(index, change, &mut faults) {
                Some(op) if faults.is_empty() => batch.pack(change, op),
                _ => {}
            }
        }
        if faults.is_empty() { Ok(batch) } else { Err(faults) }
    }

    fn pack(&mut self, change: &Change<'_>, op: SpelledOp) {
        self.texts.push_str(&change.table);
        let row_id = match RowId::parse(&change.row_id) {
            RowId::Uuid(id) => PackedRowId::Uuid(id),
            RowId::Text(text) => {
                self.texts.push_str(text);
                PackedRowId::Text(text.len())
            }
        };
        let before = self.bytes.len();
        let data = match change.data.as_deref() {
            None => PackedData::Nothing,
            Some(text) if decode_base64(text, &mut self.bytes) => {
                PackedData::Base64(self.bytes.len() - before)
            }
            Some(text) => {
                self.texts.push_str(text);
                PackedData::Text(text.len())
            }
        };
        self.changes.push(Packed {
            table: change.table.len(),
            row_id,
            data,
            op,
            time_us: change.timestamp.as_micros(),
            key_version: change.key_version,
        });
    }

    /// Its changes, in their order.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = NewChange<'_>> {
        let (mut texts, mut bytes) = (self.texts.as_str(), self.bytes.as_slice());
        self.changes.iter().map(move |packed| NewChange {
            table: take_text(&mut texts, packed.table),
            op: packed.op,
            row_id: match packed.row_id {
                PackedRowId::Uuid(id) => RowId::Uuid(id),
                PackedRowId::Text(length) => RowId::Text(take_text(&mut texts, length)),
            },
            time_us: packed.time_us,
            data: match packed.data {
                PackedData::Nothing => Data::Nothing,
                PackedData::Base64(length) => Data::Base64(bytes.split_off(..length).unwrap_or_default()),
                PackedData::Text(length) => Data::Text(take_text(&mut texts, length)),
            },
            key_version: packed.key_version,
        })
    }

    /// The master keys that its changes name.
    pub fn key_versions(&self) -> impl Iterator<Item = u32> {
        self.changes.iter().filter_map(|change| change.key_version)
    }

    /// Bytes of its data as sent.
    pub fn data_bytes(&self) -> usize {
        let bytes = |change: &Packed| match change.data {
            PackedData::Nothing => 0,
            PackedData::Base64(length) => base64_len(length),
            PackedData::Text(length) => length,
        };
        self.changes.iter().map(bytes).sum()
    }

    /// What a repeat must have in common with the first push; see [`digest`].
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Bytes that it occupies in memory.
    pub fn weight(&self) -> usize {
        self.texts.capacity() + self.bytes.capacity() + self.changes.capacity() * size_of::<Packed>()
    }
}

/// Bytes that the data of a change decodes to at most, if it is base64.
fn decoded_len(change: &Change<'_>) -> usize {
    change.data.as_deref().map_or(0, str::len) / 4 * 3
}

fn take_text<'a>(texts: &mut &'a str, length: usize) -> &'a str {
    let (taken, rest) = texts.split_at_checked(length).unwrap_or_default();
    *texts = rest;
    taken
}

/// Hashes what a repeat of a batch must have in common with the first push: everything but data, which a client may
/// encrypt again, and the letter case of op. Lengths are hashed too, so that no text can move from one field to the
/// next.
pub fn digest<'a, 'b: 'a>(changes: impl Iterator<Item = &'a Change<'b>>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for change in changes {
        for text in [change.table.as_str(), &change.op.to_ascii_lowercase(), &change.row_id] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash.update(change.timestamp.as_micros().to_le_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use tidelog_protocol::{Text, Timestamp};

    use super::*;

    fn change<'a>(table: &'a str, row_id: &'a str, data: Option<&'a str>) -> Change<'a> {
        Change {
            table: table.into(),
            op: "Insert".into(),
            row_id: row_id.into(),
            timestamp: Timestamp::EPOCH,
            data: data.map(Text::from),
            key_version: None,
        }
    }

    fn digest_of(change: &Change<'_>) -> [u8; 32] {
        digest([change].into_iter())
    }

    #[test]
    fn a_digest_ignores_data_and_spelling_but_no_boundary() {
        let again = Change { op: "insert".into(), ..change("ab", "c", Some("other")) };
        assert_eq!(digest_of(&change("ab", "c", Some("x"))), digest_of(&again));
        assert_ne!(digest_of(&change("ab", "c", None)), digest_of(&change("a", "bc", None)));
    }

    #[test]
    fn a_packed_change_is_the_change_that_was_sent() {
        let uuid = "01890a5d-ac96-774b-bcce-b302099a8057";
        let sent = [
            change("a", "x", Some("not base64, ü")),
            change("bc", uuid, Some("AQID")),
            change("d", "ÿ", None),
            change("e", uuid, Some("")),
            change("f", "y", Some("AQ==")),
        ];
        let batch = Batch::new(Uuid::nil(), Uuid::nil(), sent.iter(), None).expect("they are valid");
        let packed: Vec<_> =
            batch.changes().map(|change| (change.table, change.row_id, change.data)).collect();
        let id = RowId::Uuid(uuid.parse().expect("a UUID"));
        let expected = [
            ("a", RowId::Text("x"), Data::Text("not base64, ü")),
            ("bc", id, Data::Base64(&[1, 2, 3])),
            ("d", RowId::Text("ÿ"), Data::Nothing),
            ("e", id, Data::Base64(&[])),
            ("f", RowId::Text("y"), Data::Base64(&[1])),
        ];
        assert_eq!(packed, expected);
        let sent_bytes = sent.iter().filter_map(|change| change.data.as_deref()).map(str::len).sum::<usize>();
        assert_eq!(batch.data_bytes(), sent_bytes);
    }

    #[test]
    fn every_fault_of_every_change_is_found() {
        let sent = [change("a b", "x", None), change("a", "x", None), change("a", "", None)];
        let faults = Batch::new(Uuid::nil(), Uuid::nil(), sent.iter(), None).expect_err("two are wrong");
        let found: Vec<_> = faults.iter().map(|fault| (fault.index, fault.field.as_str())).collect();
        assert_eq!(found, [(0, "table"), (2, "row_id")]);
    }
}
