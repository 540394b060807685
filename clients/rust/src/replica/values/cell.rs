//! One value of one row, exactly as SQLite stores it: in SQLite, the type belongs to the value and not to the column.
//!
//! Cells are sent as JSON. A value that JSON has no type for is wrapped in an object with one field: `{"$blob":
//! base64}`, `{"$text": base64}` for text that is not UTF-8, `{"$real": "inf"}`. This is unambiguous, because SQLite
//! has no objects.
//!
//! Cells are also parsed from SQL literals as written by SQLite's `quote()`: triggers have no better way to record a
//! key.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};
use serde_json::{Map, Number, Value as Json};

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// `NULL`.
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// A floating-point number; never NaN, which SQLite stores as `NULL`.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes that SQLite stores as text although they are not valid UTF-8.
    NonUtf8Text(Vec<u8>),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Cell {
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Integer(number) => Json::from(*number),
            Self::Real(number) => Number::from_f64(*number)
                .map_or_else(|| wrap("$real", if *number > 0.0 { "inf" } else { "-inf" }), Json::Number),
            Self::Text(text) => Json::from(text.as_str()),
            Self::NonUtf8Text(bytes) => wrap("$text", &BASE64.encode(bytes)),
            Self::Blob(bytes) => wrap("$blob", &BASE64.encode(bytes)),
        }
    }

    /// Decodes a cell. JSON that no replica writes is converted: `true` becomes 1, an array or object becomes its
    /// JSON text.
    pub(crate) fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(truth) => Self::Integer(i64::from(*truth)),
            Json::Number(number) => number
                .as_i64()
                .map(Self::Integer)
                .or_else(|| number.as_f64().map(Self::Real))
                .unwrap_or(Self::Null),
            Json::String(text) => Self::Text(text.clone()),
            Json::Object(fields) => unwrap(fields).unwrap_or_else(|| Self::Text(json.to_string())),
            Json::Array(_) => Self::Text(json.to_string()),
        }
    }

    /// Parses SQL literals separated by commas, as produced by `quote(a) || ',' || quote(b)`.
    pub(crate) fn list_from_literals(literals: &str) -> Option<Vec<Self>> {
        let mut cells = Vec::new();
        let mut rest = literals;
        loop {
            let (cell, after) = Self::from_literal(rest)?;
            cells.push(cell);
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => return after.is_empty().then_some(cells),
            }
        }
    }

    fn from_literal(text: &str) -> Option<(Self, &str)> {
        match text.as_bytes().first()? {
            b'\'' => {
                let (text, rest) = split_quoted(&text[1..])?;
                Some((Self::Text(text), rest))
            }
            b'X' => {
                let (hex, rest) = text.strip_prefix("X'")?.split_once('\'')?;
                Some((Self::Blob(HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?), rest))
            }
            _ => {
                let (word, rest) = text.split_at(text.find(',').unwrap_or(text.len()));
                let cell = match word {
                    "NULL" => Self::Null,
                    number if number.contains(['.', 'e', 'E']) => Self::Real(number.parse().ok()?),
                    number => Self::Integer(number.parse().ok()?),
                };
                Some((cell, rest))
            }
        }
    }
}

/// Splits off the text before the closing quote, with doubled quotes undone; the rest follows that quote.
fn split_quoted(text: &str) -> Option<(String, &str)> {
    let mut content = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('\'')?;
        content.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                content.push('\'');
                rest = more;
            }
            None => return Some((content, after)),
        }
    }
}

fn wrap(name: &str, text: &str) -> Json {
    Json::Object(Map::from_iter([(name.to_owned(), Json::from(text))]))
}

fn unwrap(fields: &Map<String, Json>) -> Option<Cell> {
    let (name, text) = fields.iter().next().filter(|_| fields.len() == 1)?;
    let text = text.as_str()?;
    match name.as_str() {
        "$blob" => BASE64.decode(text.as_bytes()).ok().map(Cell::Blob),
        "$text" => BASE64.decode(text.as_bytes()).ok().map(Cell::NonUtf8Text),
        "$real" if text == "inf" => Some(Cell::Real(f64::INFINITY)),
        "$real" if text == "-inf" => Some(Cell::Real(f64::NEG_INFINITY)),
        _ => None,
    }
}

impl FromSql for Cell {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Real(number),
            ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Self::Text(text.to_owned()),
                Err(_) => Self::NonUtf8Text(bytes.to_vec()),
            },
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        })
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::NonUtf8Text(bytes) => ValueRef::Text(bytes),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::Connection;

    use super::*;

    fn any_cell() -> impl Strategy<Value = Cell> {
        prop_oneof![
            Just(Cell::Null),
            any::<i64>().prop_map(Cell::Integer),
            any::<f64>().prop_filter("SQLite has no NaN", |number| !number.is_nan()).prop_map(Cell::Real),
            Just(Cell::Real(f64::INFINITY)),
            any::<String>().prop_map(Cell::Text),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(Cell::Blob),
        ]
    }

    fn through_sqlite(cell: &Cell) -> Cell {
        let connection = Connection::open_in_memory().unwrap();
        connection.query_row("SELECT ?1", [cell], |row| row.get(0)).unwrap()
    }

    proptest! {
        #[test]
        fn a_cell_survives_a_round_trip_through_sqlite_and_json(cell in any_cell()) {
            prop_assert_eq!(&through_sqlite(&cell), &cell);
            let json = serde_json::to_vec(&cell.to_json()).unwrap();
            prop_assert_eq!(Cell::from_json(&serde_json::from_slice(&json).unwrap()), cell);
        }

        #[test]
        fn sql_literals_are_parsed_back_to_the_same_cells(cells in proptest::collection::vec(any_cell(), 1..4)) {
            let connection = Connection::open_in_memory().unwrap();
            let quote = |cell: &Cell| -> String {
                connection.query_row("SELECT quote(?1)", [cell], |row| row.get(0)).unwrap()
            };
            // `quote()` truncates text at the first NUL; the guide says that keys with NUL do not sync.
            let has_nul = |cell: &Cell| matches!(cell, Cell::Text(text) if text.contains('\0'));
            prop_assume!(!cells.iter().any(has_nul));
            let literals: Vec<_> = cells.iter().map(quote).collect();
            prop_assert_eq!(Cell::list_from_literals(&literals.join(",")), Some(cells));
        }
    }

    #[test]
    fn non_utf8_text_and_infinities_survive_a_round_trip() {
        for cell in [
            Cell::NonUtf8Text(vec![0xff, 0x00, 0x41]),
            Cell::Real(f64::NEG_INFINITY),
            Cell::Real(-0.0),
            Cell::Integer(i64::MIN),
        ] {
            assert_eq!(through_sqlite(&cell), cell);
            assert_eq!(Cell::from_json(&cell.to_json()), cell);
        }
    }

    #[test]
    fn malformed_literals_are_rejected() {
        for garbage in ["", "'", "'a", "X'0'", "X'zz'", "1,", ",1", "1 2", "abc", "'a'b"] {
            assert_eq!(Cell::list_from_literals(garbage), None, "{garbage}");
        }
    }
}
