//! Parsing a push.
//!
//! A valid push is parsed once, into its types. Only one that fails is looked at again, piece by piece, so that its
//! sender is told every fault of every change at once. Neither way keeps more of a hostile body than the body itself.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tidelog_protocol::limits::MAX_CHANGES_PER_PUSH;
use tidelog_protocol::rules::{check_row_id, check_table};
use tidelog_protocol::{Change, ChangeFault, Cursor, InvalidTimestamp, Op, Timestamp};
use uuid::Uuid;

use crate::http::api_error::ApiError;
use crate::http::json::{self, Capped, Object};

use crate::model::changes::{self, Batch, FaultyPush};

/// What a body turned out to be.
pub(super) enum Parsed {
    /// A batch that may go to the store.
    Valid(Batch),
    /// A push to be refused in this way, unless something about its device, id or key must be said first.
    Faulty(FaultyPush, ApiError),
}

/// The batch that a body holds, if it is a valid push.
pub fn parse_valid(body: &str) -> Option<Batch> {
    match parse(body) {
        Ok(Parsed::Valid(batch)) => Some(batch),
        Ok(Parsed::Faulty(..)) | Err(_) => None,
    }
}

/// The documented body, or an error for what is not even its outline.
pub(super) fn parse(body: &str) -> Result<Parsed, ApiError> {
    let error = match serde_json::from_str::<Object<TypedPush<'_>>>(body) {
        Ok(Object(push)) => return Ok(checked(push)),
        Err(error) => error,
    };
    let outline = serde_json::from_str::<Object<Outline<'_>>>(body);
    let Object(outline) = outline.map_err(|error| json::parse_error(body, &error, "."))?;
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
    let mut faulty =
        FaultyPush { device: push.device_id, batch: push.batch_id, digest: None, key_versions: Vec::new() };
    let changes = match push.changes {
        Capped::All(changes) => changes,
        Capped::TooMany => return Parsed::Faulty(faulty, ApiError::too_many_changes(MAX_CHANGES_PER_PUSH)),
    };
    if changes.is_empty() {
        let error = ApiError::invalid_field("changes", "a push carries at least one change");
        return Parsed::Faulty(faulty, error);
    }
    let changes = changes.iter().map(|Object(change)| change);
    match Batch::new(push.batch_id, push.device_id, changes.clone(), push.expected_cursor) {
        Ok(batch) => Parsed::Valid(batch),
        Err(faults) => {
            faulty.digest = Some(changes::digest(changes.clone()));
            faulty.key_versions = changes.filter_map(|change| change.key_version).collect();
            Parsed::Faulty(faulty, ApiError::invalid_changes(faults))
        }
    }
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
    fn diagnose(&self, body: &str, error: &serde_json::Error) -> Result<Parsed, ApiError> {
        let device = field("device_id", self.device_id)?;
        let batch = field("batch_id", self.batch_id)?;
        if let Some(cursor) = self.expected_cursor {
            field::<Option<Cursor>>("expected_cursor", cursor)?;
        }
        let changes: Capped<&RawValue> = serde_json::from_str(self.changes.get())
            .map_err(|error| json::parse_error(self.changes.get(), &error, "changes"))?;
        let mut found = Diagnosis::default();
        let error = match changes {
            Capped::TooMany => ApiError::too_many_changes(MAX_CHANGES_PER_PUSH),
            Capped::All(changes) => {
                for (index, change) in changes.into_iter().enumerate() {
                    found.diagnose(index, change);
                }
                // Whatever made the typed parse fail must be told, even if no look at the pieces finds it.
                if found.faults.is_empty() {
                    json::parse_error(body, error, "changes")
                } else {
                    ApiError::invalid_changes(found.faults)
                }
            }
        };
        let push = FaultyPush { device, batch, digest: None, key_versions: found.key_versions };
        Ok(Parsed::Faulty(push, error))
    }
}

fn field<T: DeserializeOwned>(name: &str, text: &RawValue) -> Result<T, ApiError> {
    serde_json::from_str(text.get()).map_err(|error| json::parse_error(text.get(), &error, name))
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

/// What a look at each change by itself finds.
#[derive(Default)]
struct Diagnosis {
    faults: Vec<ChangeFault>,
    key_versions: Vec<u32>,
}

impl Diagnosis {
    fn diagnose(&mut self, index: usize, change: &RawValue) {
        if let Ok(Object(change)) = serde_json::from_str::<Object<Change<'_>>>(change.get()) {
            self.key_versions.extend(change.key_version);
            changes::check(index, &change, &mut self.faults);
            return;
        }
        match serde_json::from_str::<Object<ChangeOutline<'_>>>(change.get()) {
            Ok(Object(outline)) => self.diagnose_fields(index, &outline),
            Err(error) => {
                let duplicate = error.to_string();
                let duplicate =
                    duplicate.split(" at line ").next().filter(|text| text.starts_with("duplicate"));
                let reason = duplicate.unwrap_or("must be an object with table, op, row_id and timestamp");
                self.faults.push(ChangeFault { index, field: "change".into(), reason: reason.into() });
            }
        }
    }

    fn diagnose_fields(&mut self, index: usize, change: &ChangeOutline<'_>) {
        let mut fault = |field: &str, reason: Option<String>| {
            if let Some(reason) = reason {
                self.faults.push(ChangeFault { index, field: field.into(), reason });
            }
        };
        let text = |text| value_of::<String>(text, "must be a string");
        fault("table", text(change.table).and_then(|table| check_table(&table)).err());
        fault("op", text(change.op).and_then(|op| op.parse::<Op>().map_err(|error| error.to_string())).err());
        fault("row_id", text(change.row_id).and_then(|row_id| check_row_id(&row_id)).err());
        fault("timestamp", value_of::<Timestamp>(change.timestamp, InvalidTimestamp).err());
        let data = optional::<String>(change.data, "must be a string or null");
        fault("data", data.and_then(|data| changes::check_data(data.as_deref())).err());
        match optional::<u32>(change.key_version, "must be a whole number or null") {
            Ok(version) => self.key_versions.extend(version),
            Err(reason) => fault("key_version", Some(reason)),
        }
    }
}

fn optional<T: DeserializeOwned>(text: Option<&RawValue>, reason: &str) -> Result<Option<T>, String> {
    text.map_or(Ok(None), |text| value_of::<Option<T>>(Some(text), reason))
}

fn value_of<T: DeserializeOwned>(text: Option<&RawValue>, reason: impl fmt::Display) -> Result<T, String> {
    let text = text.ok_or("is missing")?;
    serde_json::from_str(text.get()).map_err(|_| reason.to_string())
}
