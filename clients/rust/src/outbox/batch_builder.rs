//! Builds batches: seals changes one after the other, as many per batch as the server accepts.

use tidelog_protocol::{Change, Cursor, Limits, Op, PushRequest};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::sealed_batch::SealedBatch;
use crate::formats::{EntryBody, FormatError, Head, Names, Padding, SealOptions, Slot, Stream, Vault};
use crate::transport::to_json;
use crate::watch::{ChainEntry, OwnEntry};
use crate::{ChangeEntry, Result, SyncKitError};

/// The plaintext of a change: `None` for a delete, the JSON of its data for any other.
pub(crate) type Payload = Option<Zeroizing<Vec<u8>>>;

/// Bytes of a push's body around its changes: two ids and the names of the fields, with room to spare.
const BODY_FRAME_BYTES: usize = 256;
/// Bytes of a change's JSON around its data and names: the names of the fields, op, time and key version, likewise.
const CHANGE_FRAME_BYTES: usize = 192;

/// The bytes of a change to be sealed.
pub(crate) fn payload_of(change: &ChangeEntry) -> Result<Payload> {
    match change.op {
        Op::Delete => Ok(None),
        Op::Insert | Op::Update => {
            let json = serde_json::to_vec(&change.data).map_err(SyncKitError::NotJson)?;
            Ok(Some(Zeroizing::new(json)))
        }
    }
}

/// What all changes of a batch have in common.
pub(crate) struct BatchOptions<'s> {
    pub(crate) vault: &'s Vault,
    pub(crate) padding: Padding,
    /// For the first entry: what this client has seen.
    pub(crate) head: Option<Head>,
    pub(crate) limits: &'s Limits,
    /// At most this many changes; the server's limit applies as well.
    pub(crate) max_changes: usize,
    pub(crate) device_id: Uuid,
    /// The server refuses the batch if other devices have written beyond this.
    pub(crate) expected_cursor: Option<Cursor>,
}

/// Whether a change was added to a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    Yes,
    /// It belongs in the next batch.
    Full,
    /// No batch can hold it.
    TooLarge {
        /// Bytes that the server takes.
        limit: usize,
    },
}

/// Fills batches with changes, each sealed as the next entry of a stream.
pub(crate) struct BatchBuilder<'s> {
    options: BatchOptions<'s>,
    stream: Stream,
    changes: Vec<Change<'static>>,
    own: Vec<OwnEntry>,
    bytes: usize,
}

impl<'s> BatchBuilder<'s> {
    pub(crate) fn new(options: BatchOptions<'s>, stream: Stream) -> Self {
        Self { options, stream, changes: Vec::new(), own: Vec::new(), bytes: 0 }
    }

    /// Seals all changes into as many batches as they need. Also returns the stream after them.
    ///
    /// # Errors
    /// [`SyncKitError::ChangeTooLarge`] for the first change that no batch can hold.
    pub(crate) fn seal_all(
        mut self,
        changes: &[ChangeEntry],
        payloads: &[Payload],
    ) -> Result<(Vec<SealedBatch>, Stream)> {
        let mut batches = Vec::new();
        for (index, (change, payload)) in changes.iter().zip(payloads).enumerate() {
            let mut added = self.add(change, payload)?;
            if added == Added::Full {
                batches.extend(self.take_batch()?);
                added = self.add(change, payload)?;
            }
            if let Added::TooLarge { limit } = added {
                return Err(SyncKitError::ChangeTooLarge { index, limit });
            }
        }
        batches.extend(self.take_batch()?);
        Ok((batches, self.stream))
    }

    /// Seals the change into the batch, if it fits.
    pub(crate) fn add(&mut self, change: &ChangeEntry, payload: &Payload) -> Result<Added> {
        let BatchOptions { limits, max_changes, .. } = self.options;
        if self.changes.len() >= limits.max_changes_per_push.min(max_changes).max(1) {
            return Ok(Added::Full);
        }
        // Sealing advances the stream, so a change that does not fit is sealed on a copy.
        let mut stream = self.stream.clone();
        let Some((sealed, own)) = self.seal(&mut stream, change, payload)? else {
            return Ok(Added::TooLarge { limit: limits.max_data_bytes });
        };
        let bytes = json_bytes_of(&sealed);
        let max_bytes = limits.max_body_bytes.saturating_sub(BODY_FRAME_BYTES);
        if bytes > max_bytes {
            return Ok(Added::TooLarge { limit: limits.max_body_bytes });
        }
        if self.bytes + bytes > max_bytes {
            return Ok(Added::Full);
        }
        self.bytes += bytes;
        self.changes.push(sealed);
        self.own.push(own);
        self.stream = stream;
        self.options.head = None;
        Ok(Added::Yes)
    }

    /// Closes the batch and begins the next one; `None` if there is no change in it.
    pub(crate) fn take_batch(&mut self) -> Result<Option<SealedBatch>> {
        if self.changes.is_empty() {
            return Ok(None);
        }
        let request = PushRequest {
            device_id: self.options.device_id,
            batch_id: Uuid::now_v7(),
            changes: std::mem::take(&mut self.changes),
            expected_cursor: self.options.expected_cursor,
        };
        self.bytes = 0;
        let (changes, own) = (request.changes.len(), Some(std::mem::take(&mut self.own)));
        Ok(Some(SealedBatch { body: to_json(&request)?, changes, own }))
    }

    /// Returns the stream after everything that was added.
    pub(crate) fn into_stream(self) -> Stream {
        self.stream
    }

    /// Seals the stream's next entry; `None` if it is larger than the server takes.
    fn seal(
        &self,
        stream: &mut Stream,
        change: &ChangeEntry,
        payload: &Payload,
    ) -> Result<Option<(Change<'static>, OwnEntry)>> {
        let BatchOptions { vault, padding, head, limits, .. } = self.options;
        let invalid = |fault| SyncKitError::InvalidChanges { faults: vec![fault] };
        let timestamp = change.wire_timestamp().map_err(invalid)?;
        let key_version = vault.key_version();
        let slot = Slot {
            table: &change.table,
            row_id: &change.row_id,
            op: change.op,
            timestamp_us: timestamp.as_micros(),
            key_version,
        };
        let body = EntryBody::from(payload.as_deref().map(Vec::as_slice));
        let (id, counter, prev) = (stream.id(), stream.counter(), stream.prev());
        let sealed = match stream.seal(vault, &slot, body, &SealOptions { padding, head }) {
            Ok(sealed) if sealed.data.len() <= limits.max_data_bytes => sealed,
            Ok(_) | Err(FormatError::TooLarge) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let wire: Names<'static> = sealed.wire.into_owned();
        let own = OwnEntry {
            wire: wire.clone(),
            deletes: change.op == Op::Delete,
            chain: ChainEntry { seq: 0, stream: id, counter, prev, link: sealed.link },
        };
        let change = Change {
            table: wire.table.into_owned().into(),
            op: change.op.as_str().into(),
            row_id: wire.row_id.into_owned().into(),
            timestamp,
            data: Some(sealed.data.into()),
            key_version: Some(key_version),
        };
        Ok(Some((change, own)))
    }
}

/// Returns an upper bound of the bytes that a change takes in a body. Characters of names may need a backslash,
/// base64 never does.
fn json_bytes_of(change: &Change<'_>) -> usize {
    let data = change.data.as_ref().map_or(0, |data| data.len());
    CHANGE_FRAME_BYTES + data + 2 * (change.table.len() + change.row_id.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(row_id: &str) -> ChangeEntry {
        let data = Some(serde_json::json!("x".repeat(100)));
        let timestamp = chrono::DateTime::from_timestamp_micros(-62_167_219_199_999_999).unwrap();
        ChangeEntry { table: "tasks".into(), op: Op::Update, row_id: row_id.into(), timestamp, data }
    }

    fn seal(changes: &[ChangeEntry], limits: &Limits) -> Result<Vec<SealedBatch>> {
        let options = BatchOptions {
            vault: &Vault::generate()?,
            padding: Padding::default(),
            head: None,
            limits,
            max_changes: usize::MAX,
            device_id: Uuid::nil(),
            expected_cursor: None,
        };
        let payloads: Vec<_> = changes.iter().map(payload_of).collect::<Result<_>>()?;
        let builder = BatchBuilder::new(options, Stream::generate()?);
        Ok(builder.seal_all(changes, &payloads)?.0)
    }

    fn request(batch: &SealedBatch) -> PushRequest<'_> {
        serde_json::from_slice(&batch.body).unwrap()
    }

    #[test]
    fn no_body_is_larger_than_the_server_takes_whatever_the_names() {
        let changes: Vec<_> = ["\"".repeat(255), "\\".repeat(255), "\u{10ffff}".repeat(255), "r".into()]
            .iter()
            .cycle()
            .take(40)
            .map(|row_id| change(row_id))
            .collect();
        let row_ids: Vec<_> = changes.iter().map(|change| change.row_id.clone()).collect();
        for max_body_bytes in [4_000, 5_000, 10_000, 100_000] {
            let batches = seal(&changes, &Limits::with_body_cap(max_body_bytes)).unwrap();
            assert!(batches.iter().all(|batch| batch.body.len() <= max_body_bytes));
            let sent = batches.iter().flat_map(|batch| request(batch).changes);
            assert_eq!(sent.map(|change| change.row_id.into()).collect::<Vec<String>>(), row_ids);
        }
    }

    #[test]
    fn each_batch_counts_its_changes_and_has_its_own_id() {
        let changes: Vec<_> = (0..5).map(|number| change(&number.to_string())).collect();
        let limits = Limits { max_changes_per_push: 2, ..Limits::with_body_cap(100_000) };
        let batches = seal(&changes, &limits).unwrap();
        assert_eq!(batches.iter().map(|batch| batch.changes).collect::<Vec<_>>(), [2, 2, 1]);
        assert!(batches.iter().all(|batch| batch.own.as_ref().unwrap().len() == batch.changes));
        assert_ne!(request(&batches[0]).batch_id, request(&batches[1]).batch_id);
    }

    #[test]
    fn entries_are_numbered_across_batches_without_a_gap() {
        let changes: Vec<_> = (0..40).map(|number| change(&number.to_string())).collect();
        let batches = seal(&changes, &Limits::with_body_cap(2_000)).unwrap();
        assert!(batches.len() > 1);
        let counters = batches.iter().flat_map(|batch| batch.own.as_ref().unwrap());
        assert!(counters.map(|own| own.chain.counter).eq(0..40));
    }

    #[test]
    fn a_change_that_fits_no_body_is_named() {
        let refused = seal(&[change("1"), change("2")], &Limits::with_body_cap(500));
        assert!(matches!(refused, Err(SyncKitError::ChangeTooLarge { index: 0, .. })));
    }

    #[test]
    fn a_server_that_takes_less_than_the_protocol_is_respected() {
        let limits = Limits { max_data_bytes: 100, ..Limits::with_body_cap(100_000) };
        assert!(matches!(
            seal(&[change("1")], &limits),
            Err(SyncKitError::ChangeTooLarge { index: 0, limit: 100 })
        ));
    }
}
