//! From a program's changes to batches on the wire: everything is sealed before anything is sent, so that a change which
//! cannot go stops the whole push, and what goes is split to what the server takes at once.

#[cfg(feature = "sqlite")]
mod one;

use bytes::Bytes;
use tidelog_protocol::{Change, Limits, Op, PushRequest};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::formats::{
    Body, FormatError, Head, Names, Padding, SealOptions, Slot, Stream, Vault, reseal_entry,
};
use crate::outbox::SealedBatch;
use crate::transport::{from_json, to_json};
use crate::watch::{OwnEntry, Place};
use crate::{ChangeEntry, Result, SyncKitError};

#[cfg(feature = "sqlite")]
pub(crate) use one::{Added, BatchBuilder, Common, own_entries};

/// What of a change is sealed: `None` of a delete, the JSON of its data of any other.
pub(crate) type Payload = Option<Zeroizing<Vec<u8>>>;

/// Bytes of a push's body around its changes: two ids and the names of the fields, with room to spare.
const BODY_FRAME_BYTES: usize = 256;
/// Bytes of a change's JSON around its data and names: the names of the fields, op, time and key version, likewise.
const CHANGE_FRAME_BYTES: usize = 192;

/// The bytes to be sealed, in the order of the changes.
pub(crate) fn payloads_of(changes: &[ChangeEntry]) -> Result<Vec<Payload>> {
    let payload_of = |change: &ChangeEntry| match change.op {
        Op::Delete => Ok(None),
        Op::Insert | Op::Update => serde_json::to_vec(&change.data).map(Zeroizing::new).map(Some),
    };
    let payloads: serde_json::Result<_> = changes.iter().map(payload_of).collect();
    payloads.map_err(SyncKitError::NotJson)
}

/// How a push is sealed, beside what is in it.
pub(crate) struct Sealing<'s> {
    pub(crate) vault: &'s Vault,
    pub(crate) stream: &'s mut Stream,
    pub(crate) padding: Padding,
    /// For the first entry: what this client has seen.
    pub(crate) head: Option<Head>,
    pub(crate) limits: &'s Limits,
}

/// Seals all changes onto the stream and splits them by count and by bytes.
pub(crate) fn seal_push(
    mut sealing: Sealing<'_>,
    device_id: Uuid,
    changes: &[ChangeEntry],
    payloads: &[Payload],
) -> Result<Vec<SealedBatch>> {
    let mut batches = Batches::new(device_id, sealing.limits);
    for (index, (change, payload)) in changes.iter().zip(payloads).enumerate() {
        let (change, own) = seal_change(&mut sealing, index, change, payload)?;
        batches.add(index, change, own)?;
    }
    batches.finish()
}

/// The body of a push with each entry sealed again under the current key of `to`.
pub(crate) fn resealed(from: &Vault, to: &Vault, body: &[u8]) -> Result<Bytes> {
    let mut request: PushRequest<'_> = from_json(body)?;
    for change in &mut request.changes {
        let op =
            change.op.parse().map_err(|_| SyncKitError::BadAnswer(String::from("an unknown operation")))?;
        let slot = Slot {
            table: &change.table,
            row_id: &change.row_id,
            op,
            timestamp_us: change.timestamp.as_micros(),
            key_version: from.key_version(),
        };
        if let Some(data) = &change.data {
            change.data = Some(reseal_entry(from, to, &slot, data)?.into());
        }
        change.key_version = Some(to.key_version());
    }
    to_json(&request)
}

fn seal_change(
    sealing: &mut Sealing<'_>,
    index: usize,
    change: &ChangeEntry,
    payload: &Payload,
) -> Result<(Change<'static>, OwnEntry)> {
    let Sealing { vault, limits, .. } = *sealing;
    let timestamp =
        change.wire_timestamp().map_err(|fault| SyncKitError::InvalidChanges { faults: vec![fault] })?;
    let key_version = vault.key_version();
    let slot = Slot {
        table: &change.table,
        row_id: &change.row_id,
        op: change.op,
        timestamp_us: timestamp.as_micros(),
        key_version,
    };
    let too_large = || SyncKitError::ChangeTooLarge { index, limit: limits.max_data_bytes };
    let body = Body::from(payload.as_deref().map(Vec::as_slice));
    let options = SealOptions { padding: sealing.padding, head: sealing.head.take() };
    let (stream, counter, prev) = (sealing.stream.id(), sealing.stream.counter(), sealing.stream.prev());
    let sealed = sealing.stream.seal(vault, &slot, body, &options).map_err(|error| match error {
        FormatError::TooLarge => too_large(),
        other => SyncKitError::Sealing(other),
    })?;
    if sealed.data.len() > limits.max_data_bytes {
        return Err(too_large());
    }
    let wire: Names<'static> = sealed.wire.into_owned();
    let own = OwnEntry {
        wire: wire.clone(),
        deletes: change.op == Op::Delete,
        place: Place { seq: 0, stream, counter, prev, link: sealed.link },
    };
    let change = Change {
        table: wire.table.into_owned().into(),
        op: change.op.as_str().into(),
        row_id: wire.row_id.into_owned().into(),
        timestamp,
        data: Some(sealed.data.into()),
        key_version: Some(key_version),
    };
    Ok((change, own))
}

/// Batches as they fill up.
struct Batches {
    device_id: Uuid,
    max_changes: usize,
    max_bytes: usize,
    full: Vec<SealedBatch>,
    changes: Vec<Change<'static>>,
    own: Vec<OwnEntry>,
    bytes: usize,
    first_index: usize,
}

impl Batches {
    fn new(device_id: Uuid, limits: &Limits) -> Self {
        Self {
            device_id,
            max_changes: limits.max_changes_per_push.max(1),
            max_bytes: limits.max_body_bytes.saturating_sub(BODY_FRAME_BYTES),
            full: Vec::new(),
            changes: Vec::new(),
            own: Vec::new(),
            bytes: 0,
            first_index: 0,
        }
    }

    fn add(&mut self, index: usize, change: Change<'static>, own: OwnEntry) -> Result<()> {
        let bytes = json_bytes_of(&change);
        if bytes > self.max_bytes {
            return Err(SyncKitError::ChangeTooLarge { index, limit: self.max_bytes });
        }
        if self.changes.len() == self.max_changes || self.bytes + bytes > self.max_bytes {
            self.close()?;
            self.first_index = index;
        }
        self.changes.push(change);
        self.own.push(own);
        self.bytes += bytes;
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let changes = std::mem::take(&mut self.changes);
        let request = PushRequest {
            device_id: self.device_id,
            batch_id: Uuid::now_v7(),
            changes,
            expected_cursor: None,
        };
        let body: Bytes = to_json(&request)?;
        let own = std::mem::take(&mut self.own);
        self.full.push(SealedBatch { body, first_index: self.first_index, own });
        self.bytes = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<SealedBatch>> {
        if !self.changes.is_empty() {
            self.close()?;
        }
        Ok(self.full)
    }
}

/// No fewer bytes than the change takes in a body. Names may need a backslash before a character, base64 never does.
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
        let (vault, mut stream) = (Vault::generate()?, Stream::generate()?);
        let sealing =
            Sealing { vault: &vault, stream: &mut stream, padding: Padding::default(), head: None, limits };
        seal_push(sealing, Uuid::nil(), changes, &payloads_of(changes)?)
    }

    #[test]
    fn no_body_is_larger_than_the_server_takes_whatever_the_names() {
        let changes: Vec<_> = ["\"".repeat(255), "\\".repeat(255), "\u{10ffff}".repeat(255), "r".into()]
            .iter()
            .cycle()
            .take(40)
            .map(|row_id| change(row_id))
            .collect();
        for max_body_bytes in [4_000, 5_000, 10_000, 100_000] {
            let batches = seal(&changes, &Limits::with_body_cap(max_body_bytes)).unwrap();
            assert!(batches.iter().all(|batch| batch.body.len() <= max_body_bytes));
            let sent = |batch: &SealedBatch| {
                let request: PushRequest<'_> = serde_json::from_slice(&batch.body).unwrap();
                request.changes.into_iter().map(|change| change.row_id.into()).collect::<Vec<String>>()
            };
            let row_ids: Vec<_> = changes.iter().map(|change| change.row_id.clone()).collect();
            assert_eq!(batches.iter().flat_map(sent).collect::<Vec<_>>(), row_ids);
        }
    }

    #[test]
    fn each_batch_knows_where_it_begins_and_has_an_id_of_its_own() {
        let changes: Vec<_> = (0..5).map(|number| change(&number.to_string())).collect();
        let limits = Limits { max_changes_per_push: 2, ..Limits::with_body_cap(100_000) };
        let batches = seal(&changes, &limits).unwrap();
        assert_eq!(batches.iter().map(|batch| batch.first_index).collect::<Vec<_>>(), [0, 2, 4]);
        let id =
            |batch: &SealedBatch| serde_json::from_slice::<PushRequest<'_>>(&batch.body).unwrap().batch_id;
        assert_ne!(id(&batches[0]), id(&batches[1]));
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
