//! A row as it travels: an object of its columns, which any program that holds the key can read.
//!
//! Beside the columns it may say when single columns were last written (`$at`), where columns are merged one by one. A column
//! whose name begins with `$` gets a second one.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};

use super::cell::Cell;

/// Where a row says when single columns were written.
const STAMPS: &str = "$at";

/// Bytes of a digest.
const DIGEST_BYTES: usize = 16;

/// The columns of a row, by name.
pub type Row = BTreeMap<String, Cell>;

/// When columns were last written, in microseconds since 1970; those that are not named, with the row.
pub(crate) type Stamps = BTreeMap<String, i64>;

/// Tells whether a row has changed. Not sent anywhere.
pub(crate) type Digest = [u8; DIGEST_BYTES];

/// The data of a change.
pub(crate) fn to_json(row: &Row, stamps: &Stamps) -> Json {
    let mut fields = Map::with_capacity(row.len() + 1);
    for (name, cell) in row {
        let name = if name.starts_with('$') { format!("${name}") } else { name.clone() };
        fields.insert(name, cell.to_json());
    }
    if !stamps.is_empty() {
        let stamps = stamps.iter().map(|(name, stamp)| (name.clone(), Json::from(*stamp)));
        fields.insert(STAMPS.to_owned(), Json::Object(stamps.collect()));
    }
    Json::Object(fields)
}

/// The row inside the data of a change; `None` if it is none.
pub(crate) fn from_json(json: &Json) -> Option<(Row, Stamps)> {
    let (mut row, mut stamps) = (Row::new(), Stamps::new());
    for (name, value) in json.as_object()? {
        match name.strip_prefix('$') {
            None => {
                row.insert(name.clone(), Cell::from_json(value));
            }
            Some(plain) if plain.starts_with('$') => {
                row.insert(plain.to_owned(), Cell::from_json(value));
            }
            Some(_) if name == STAMPS => {
                let entries = value.as_object()?.iter();
                stamps = entries
                    .map(|(name, stamp)| Some((name.clone(), stamp.as_i64()?)))
                    .collect::<Option<_>>()?;
            }
            // A later version's word about the row.
            Some(_) => {}
        }
    }
    Some((row, stamps))
}

/// The row in one form, so that equal rows have equal bytes.
pub(crate) fn canonical(row: &Row) -> Vec<u8> {
    serde_json::to_vec(&to_json(row, &Stamps::new())).unwrap_or_default()
}

pub(crate) fn digest(row: &Row) -> Digest {
    let hash: [u8; 32] = Sha256::digest(canonical(row)).into();
    std::array::from_fn(|place| hash[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: &[(&str, Cell)]) -> Row {
        columns.iter().map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect()
    }

    #[test]
    fn a_row_and_its_stamps_come_back_as_they_were() {
        let row = row(&[
            ("id", Cell::Integer(7)),
            ("$at", Cell::Text("odd name".into())),
            ("$$x", Cell::Null),
            ("größe", Cell::Real(1.0)),
        ]);
        let stamps = Stamps::from([("größe".to_owned(), 5), ("$at".to_owned(), 6)]);
        assert_eq!(from_json(&to_json(&row, &stamps)), Some((row.clone(), stamps)));
        assert_eq!(from_json(&to_json(&row, &Stamps::new())), Some((row, Stamps::new())));
    }

    #[test]
    fn what_is_no_object_is_no_row() {
        for json in [Json::Null, serde_json::json!("text"), serde_json::json!([1])] {
            assert_eq!(from_json(&json), None);
        }
    }

    #[test]
    fn an_integer_and_a_real_of_the_same_value_are_different_rows() {
        assert_ne!(digest(&row(&[("a", Cell::Integer(1))])), digest(&row(&[("a", Cell::Real(1.0))])));
        assert_ne!(digest(&row(&[("a", Cell::Text("1".into()))])), digest(&row(&[("a", Cell::Integer(1))])));
    }
}
