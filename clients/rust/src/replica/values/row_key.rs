//! The key that identifies a row: its primary key's values as SQL literals, separated by commas: `42`, `'b7c1…'`,
//! `1,'de'`, `X'00FF'`.
//!
//! Literals preserve the types of the values, and a trigger can write them without help. On the wire, where control
//! characters are not allowed, control characters and `%` are percent-encoded.

use std::fmt;

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};

use super::cell::Cell;

/// The primary key of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey(String);

impl RowKey {
    /// Wraps literals that SQLite wrote.
    pub(crate) fn from_literals(literals: &str) -> Self {
        Self(literals.to_owned())
    }

    /// Encodes the key as the row id of a change.
    pub(crate) fn to_wire(&self) -> String {
        let mut wire = String::with_capacity(self.0.len());
        for character in self.0.chars() {
            if character.is_control() || character == '%' {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    wire.push_str(&format!("%{byte:02X}"));
                }
            } else {
                wire.push(character);
            }
        }
        wire
    }

    /// Decodes the row id of a change; `None` if it was not written by a replica.
    pub(crate) fn from_wire(wire: &str) -> Option<Self> {
        let mut bytes = Vec::with_capacity(wire.len());
        let mut parts = wire.split('%');
        bytes.extend_from_slice(parts.next()?.as_bytes());
        for part in parts {
            bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
            bytes.extend_from_slice(part.get(2..)?.as_bytes());
        }
        let key = Self(String::from_utf8(bytes).ok()?);
        key.cells().map(|_| key)
    }

    /// The values, in the order of the primary key's columns.
    pub(crate) fn cells(&self) -> Option<Vec<Cell>> {
        Cell::list_from_literals(&self.0)
    }

    /// The literals, separated by commas.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromSql for RowKey {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        // A key that is not UTF-8 is read lossily, and then matches no row.
        Ok(Self(String::from_utf8_lossy(value.as_bytes()?).into_owned()))
    }
}

impl ToSql for RowKey {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(literals: &str) -> RowKey {
        RowKey(literals.to_owned())
    }

    #[test]
    fn every_key_survives_a_round_trip_over_the_wire() {
        for literals in ["42", "'a'", "1,'de'", "X'00FF'", "'100 %'", "'a\nb\u{85}c'", "'it''s'", "-1.5e+300"]
        {
            let wire = key(literals).to_wire();
            assert!(!wire.chars().any(char::is_control));
            assert_eq!(RowKey::from_wire(&wire), Some(key(literals)), "{literals}");
        }
    }

    #[test]
    fn row_ids_of_other_programs_are_not_accepted_as_keys() {
        for wire in ["", "abc", "0198f4a3-55d9-7a28-9c3b-e17f0b6d2c04", "%", "%4", "'a%zz'", "'a%ff'"] {
            assert_eq!(RowKey::from_wire(wire), None, "{wire}");
        }
    }
}
