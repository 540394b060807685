//! Parsing a push.
//!
//! A valid push is parsed once, into its types. Only one that fails is looked at again, piece by piece, so that its sender
//! is told every fault of every change at once. Neither way keeps more of a hostile body than the body itself.

use std::fmt;

use serde::de::{self, DeserializeOwned, SeqAccess};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tidelog_protocol::limits::MAX_CHANGES_PER_PUSH;
use tidelog_protocol::rules::{check_row_id, check_table};
use tidelog_protocol::{Change, ChangeFault, Cursor, Op, Timestamp};
use uuid::Uuid;

use crate::http::json::{self, Object};
use crate::http::refusal::Refusal;

use crate::model::changes::{self, Batch};

/// What a body turned out to be.
pub(super) enum Parsed {
    /// A batch that may go to the store.
    Valid(Batch),
    /// A batch whose changes are to be refused, unless something about its device or id must be said first.
    Faulty { device: Uuid, batch: Uuid, refusal: Refusal },
}

/// The documented body, or a refusal of what is not even its outline.
pub(super) fn parse(body: &[u8]) -> Result<Parsed, Refusal> {
    let error = match serde_json::from_slice::<Object<TypedPush<'_>>>(body) {
        Ok(Object(push)) => return Ok(checked(push)),
        Err(error) => error,
    };
    let outline: Outline<'_> =
        serde_json::from_slice(body).map_err(|error| json::refuse(body, &error, "."))?;
    outline.diagnose(body, &error)
}

#[derive(Deserialize)]
struct TypedPush<'a> {
    device_id: Uuid,
    batch_id: Uuid,
    #[serde(borrow)]
    changes: Capped<Object<Change<'a>>>,
    #[serde(default)]
    expected_cursor: Option<Cursor>,
}

fn checked(push: TypedPush<'_>) -> Parsed {
    let faulty = |refusal| Parsed::Faulty { device: push.device_id, batch: push.batch_id, refusal };
    let changes = match push.changes {
        Capped::All(changes) => changes,
        Capped::TooMany => return faulty(Refusal::too_many_changes(MAX_CHANGES_PER_PUSH)),
    };
    if changes.is_empty() {
        return faulty(Refusal::invalid_field("changes", "a push carries at least one change"));
    }
    let mut faults = Vec::new();
    for (index, Object(change)) in changes.iter().enumerate() {
        changes::check(index, change, &mut faults);
    }
    if !faults.is_empty() {
        return faulty(Refusal::invalid_changes(faults));
    }
    Parsed::Valid(Batch {
        id: push.batch_id,
        device: push.device_id,
        changes: changes.into_iter().map(|Object(change)| change.into()).collect(),
        expected_cursor: push.expected_cursor,
    })
}

/// A push whose fields are still text.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    device_id: &'a RawValue,
    #[serde(borrow)]
    batch_id: &'a RawValue,
    #[serde(borrow)]
    changes: &'a RawValue,
    #[serde(borrow, default)]
    expected_cursor: Option<&'a RawValue>,
}

impl Outline<'_> {
    fn diagnose(&self, body: &[u8], error: &serde_json::Error) -> Result<Parsed, Refusal> {
        let device = field("device_id", self.device_id)?;
        let batch = field("batch_id", self.batch_id)?;
        if let Some(cursor) = self.expected_cursor {
            field::<Option<Cursor>>("expected_cursor", cursor)?;
        }
        let changes: Capped<&RawValue> = serde_json::from_str(self.changes.get())
            .map_err(|error| json::refuse(body, &error, "changes"))?;
        let refusal = match changes {
            Capped::TooMany => Refusal::too_many_changes(MAX_CHANGES_PER_PUSH),
            Capped::All(changes) => {
                let mut faults = Vec::new();
                for (index, change) in changes.into_iter().enumerate() {
                    diagnose_change(index, change, &mut faults);
                }
                // Whatever made the typed parse fail must be told, even if no look at the pieces finds it.
                if faults.is_empty() {
                    json::refuse(body, error, "changes")
                } else {
                    Refusal::invalid_changes(faults)
                }
            }
        };
        Ok(Parsed::Faulty { device, batch, refusal })
    }
}

fn field<T: DeserializeOwned>(name: &str, text: &RawValue) -> Result<T, Refusal> {
    serde_json::from_str(text.get()).map_err(|error| json::refuse(text.get().as_bytes(), &error, name))
}

/// A change whose fields are still text.
#[derive(Deserialize)]
struct ChangeOutline<'a> {
    #[serde(borrow, default)]
    table: Option<&'a RawValue>,
    #[serde(borrow, default)]
    op: Option<&'a RawValue>,
    #[serde(borrow, default)]
    row_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    key_version: Option<&'a RawValue>,
}

fn diagnose_change(index: usize, change: &RawValue, faults: &mut Vec<ChangeFault>) {
    if let Ok(Object(change)) = serde_json::from_str::<Object<Change<'_>>>(change.get()) {
        return changes::check(index, &change, faults);
    }
    let Ok(Object(outline)) = serde_json::from_str::<Object<ChangeOutline<'_>>>(change.get()) else {
        let reason = "must be an object with table, op, row_id and timestamp".into();
        return faults.push(ChangeFault { index, field: "change".into(), reason });
    };
    let mut fault = |field: &str, reason: Option<String>| {
        if let Some(reason) = reason {
            faults.push(ChangeFault { index, field: field.into(), reason });
        }
    };
    let text = |text| value_of::<String>(text, "must be a string");
    fault("table", text(outline.table).and_then(|table| check_table(&table)).err());
    fault("op", text(outline.op).and_then(|op| op.parse::<Op>().map_err(|error| error.to_string())).err());
    fault("row_id", text(outline.row_id).and_then(|row_id| check_row_id(&row_id)).err());
    let timestamp = value_of::<Timestamp>(outline.timestamp, tidelog_protocol::InvalidTimestamp);
    fault("timestamp", timestamp.err());
    let data = |data| value_of::<Option<String>>(Some(data), "must be a string or null");
    let data = outline.data.map(data).transpose().map(Option::flatten);
    fault("data", data.and_then(|data| changes::check_data(data.as_deref())).err());
    let version = |version| value_of::<Option<u32>>(Some(version), "must be a whole number or null");
    fault("key_version", outline.key_version.map(version).transpose().err());
}

fn value_of<T: DeserializeOwned>(text: Option<&RawValue>, reason: impl fmt::Display) -> Result<T, String> {
    let text = text.ok_or("is missing")?;
    serde_json::from_str(text.get()).map_err(|_| reason.to_string())
}

/// A list that is not kept beyond what a push may carry.
enum Capped<T> {
    All(Vec<T>),
    TooMany,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Capped<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Visitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Capped<T>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of changes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Capped<T>, A::Error> {
                let mut all = Vec::with_capacity(list.size_hint().unwrap_or(0).min(MAX_CHANGES_PER_PUSH));
                while all.len() < MAX_CHANGES_PER_PUSH {
                    match list.next_element()? {
                        Some(item) => all.push(item),
                        None => return Ok(Capped::All(all)),
                    }
                }
                let mut too_many = false;
                while list.next_element::<de::IgnoredAny>()?.is_some() {
                    too_many = true;
                }
                Ok(if too_many { Capped::TooMany } else { Capped::All(all) })
            }
        }

        input.deserialize_seq(Visitor(std::marker::PhantomData))
    }
}
