//! One value of one row, exactly as SQLite holds it: the type belongs to the value, not to the column.
//!
//! Cells travel as JSON. What JSON has no type for is wrapped in an object of one field: `{"$blob": base64}`,
//! `{"$text": base64}` for text that is not UTF-8, `{"$real": "inf"}`. SQLite has no objects, so nothing is mistaken.
//!
//! Cells are also read from SQL literals, as SQLite's `quote()` writes them: triggers have no better way to note a key.

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
    /// Bytes that SQLite holds as text though they are not UTF-8.
    OddText(Vec<u8>),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Cell {
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Integer(number) => Json::from(*number),
            Self::Real(number) => Number::from_f64(*number)
                .map_or_else(|| wrapped("$real", if *number > 0.0 { "inf" } else { "-inf" }), Json::Number),
            Self::Text(text) => Json::from(text.as_str()),
            Self::OddText(bytes) => wrapped("$text", &BASE64.encode(bytes)),
            Self::Blob(bytes) => wrapped("$blob", &BASE64.encode(bytes)),
        }
    }

    /// The cell inside. What no SQLite database has written is taken for what it looks like: `true` for 1, a list or an object
    /// for its JSON text.
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
            Json::Object(fields) => unwrapped(fields).unwrap_or_else(|| Self::Text(json.to_string())),
            Json::Array(_) => Self::Text(json.to_string()),
        }
    }

    /// Reads literals separated by commas, as `quote(a) || ',' || quote(b)` gives them.
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
                let (text, rest) = quoted(&text[1..])?;
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

/// The text up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
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

fn wrapped(name: &str, text: &str) -> Json {
    Json::Object(Map::from_iter([(name.to_owned(), Json::from(text))]))
}

fn unwrapped(fields: &Map<String, Json>) -> Option<Cell> {
    let (name, text) = fields.iter().next().filter(|_| fields.len() == 1)?;
    let text = text.as_str()?;
    match name.as_str() {
        "$blob" => BASE64.decode(text.as_bytes()).ok().map(Cell::Blob),
        "$text" => BASE64.decode(text.as_bytes()).ok().map(Cell::OddText),
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
                Err(_) => Self::OddText(bytes.to_vec()),
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
            Self::OddText(bytes) => ValueRef::Text(bytes),
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
        fn a_cell_comes_back_from_sqlite_and_from_json_as_it_was(cell in any_cell()) {
            prop_assert_eq!(&through_sqlite(&cell), &cell);
            let json = serde_json::to_vec(&cell.to_json()).unwrap();
            prop_assert_eq!(Cell::from_json(&serde_json::from_slice(&json).unwrap()), cell);
        }

        #[test]
        fn literals_of_sqlite_are_read_back(cells in proptest::collection::vec(any_cell(), 1..4)) {
            let connection = Connection::open_in_memory().unwrap();
            let quote = |cell: &Cell| -> String {
                connection.query_row("SELECT quote(?1)", [cell], |row| row.get(0)).unwrap()
            };
            // `quote()` ends a text at its first NUL; keys with NUL are documented as not synced.
            let has_nul = |cell: &Cell| matches!(cell, Cell::Text(text) if text.contains('\0'));
            prop_assume!(!cells.iter().any(has_nul));
            let literals: Vec<_> = cells.iter().map(quote).collect();
            prop_assert_eq!(Cell::list_from_literals(&literals.join(",")), Some(cells));
        }
    }

    #[test]
    fn text_that_is_not_utf8_and_infinities_survive() {
        for cell in [
            Cell::OddText(vec![0xff, 0x00, 0x41]),
            Cell::Real(f64::NEG_INFINITY),
            Cell::Real(-0.0),
            Cell::Integer(i64::MIN),
        ] {
            assert_eq!(through_sqlite(&cell), cell);
            assert_eq!(Cell::from_json(&cell.to_json()), cell);
        }
    }

    #[test]
    fn garbage_is_no_literal() {
        for garbage in ["", "'", "'a", "X'0'", "X'zz'", "1,", ",1", "1 2", "abc", "'a'b"] {
            assert_eq!(Cell::list_from_literals(garbage), None, "{garbage}");
        }
    }
}
