//! A row as it is sent: a JSON object with one field per column, readable by any program that has the key.
//!
//! For tables that are merged column by column, the object may also hold the times at which single columns were last
//! written (`$at`). The name of a column that begins with `$` gets a second `$`.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};

use super::cell::Cell;

/// The field with the times at which single columns were written.
const COLUMN_TIMESTAMPS_FIELD: &str = "$at";

const DIGEST_BYTES: usize = 16;

/// The columns of a row, by name.
pub type Row = BTreeMap<String, Cell>;

/// When columns were last written, in microseconds since 1970. A column without an entry was written when its row was.
pub(crate) type ColumnTimestamps = BTreeMap<String, i64>;

/// A hash of a row, to detect changes. Never sent.
pub(crate) type Digest = [u8; DIGEST_BYTES];

/// Encodes a row as the data of a change.
pub(crate) fn to_json(row: &Row, timestamps: &ColumnTimestamps) -> Json {
    let mut fields = Map::with_capacity(row.len() + 1);
    for (name, cell) in row {
        let name = if name.starts_with('$') { format!("${name}") } else { name.clone() };
        fields.insert(name, cell.to_json());
    }
    if !timestamps.is_empty() {
        let timestamps = timestamps.iter().map(|(name, timestamp)| (name.clone(), Json::from(*timestamp)));
        fields.insert(COLUMN_TIMESTAMPS_FIELD.to_owned(), Json::Object(timestamps.collect()));
    }
    Json::Object(fields)
}

/// Decodes the data of a change; `None` if it is not a row.
pub(crate) fn from_json(json: &Json) -> Option<(Row, ColumnTimestamps)> {
    let (mut row, mut timestamps) = (Row::new(), ColumnTimestamps::new());
    for (name, value) in json.as_object()? {
        match name.strip_prefix('$') {
            None => {
                row.insert(name.clone(), Cell::from_json(value));
            }
            Some(unescaped) if unescaped.starts_with('$') => {
                row.insert(unescaped.to_owned(), Cell::from_json(value));
            }
            Some(_) if name == COLUMN_TIMESTAMPS_FIELD => {
                let entries = value.as_object()?.iter();
                timestamps = entries
                    .map(|(name, timestamp)| Some((name.clone(), timestamp.as_i64()?)))
                    .collect::<Option<_>>()?;
            }
            // Metadata written by a later version.
            Some(_) => {}
        }
    }
    Some((row, timestamps))
}

/// Decodes a row that was stored as JSON text.
pub(crate) fn from_text(text: &str) -> Option<(Row, ColumnTimestamps)> {
    from_json(&serde_json::from_str(text).ok()?)
}

/// Encodes a row so that equal rows have equal bytes.
pub(crate) fn canonical_json(row: &Row) -> Vec<u8> {
    serde_json::to_vec(&to_json(row, &ColumnTimestamps::new())).unwrap_or_default()
}

pub(crate) fn digest(row: &Row) -> Digest {
    let hash: [u8; 32] = Sha256::digest(canonical_json(row)).into();
    std::array::from_fn(|index| hash[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: &[(&str, Cell)]) -> Row {
        columns.iter().map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect()
    }

    #[test]
    fn a_row_and_its_column_timestamps_survive_a_round_trip_through_json() {
        let row = row(&[
            ("id", Cell::Integer(7)),
            ("$at", Cell::Text("reserved name".into())),
            ("$$x", Cell::Null),
            ("größe", Cell::Real(1.0)),
        ]);
        let timestamps = ColumnTimestamps::from([("größe".to_owned(), 5), ("$at".to_owned(), 6)]);
        assert_eq!(from_json(&to_json(&row, &timestamps)), Some((row.clone(), timestamps)));
        assert_eq!(from_json(&to_json(&row, &ColumnTimestamps::new())), Some((row, ColumnTimestamps::new())));
    }

    #[test]
    fn only_objects_are_decoded_as_rows() {
        for json in [Json::Null, serde_json::json!("text"), serde_json::json!([1])] {
            assert_eq!(from_json(&json), None);
        }
    }

    #[test]
    fn rows_differ_if_an_integer_becomes_a_real_of_the_same_value() {
        assert_ne!(digest(&row(&[("a", Cell::Integer(1))])), digest(&row(&[("a", Cell::Real(1.0))])));
        assert_ne!(digest(&row(&[("a", Cell::Text("1".into()))])), digest(&row(&[("a", Cell::Integer(1))])));
    }
}
