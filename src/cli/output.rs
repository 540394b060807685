//! How answers are printed: as JSON for programs, as lines and tables for people. Logs go to stderr, so stdout holds
//! only the answer.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value, json};

/// Why a command failed, for people.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Spaces between two columns.
const COLUMN_GAP: usize = 2;

/// Prints answers and errors.
#[derive(Clone, Copy)]
pub(super) struct Output {
    /// As JSON instead of text.
    pub(super) json: bool,
}

impl Output {
    /// Prints an answer. As text, a struct becomes `name: value` lines and a list of structs a table.
    pub(super) fn answer(self, answer: &impl Serialize) -> Result<(), BoxError> {
        match serde_json::to_value(answer)? {
            answer if self.json => self.text(&answer.to_string()),
            Value::Array(rows) => self.text(&table(&rows)),
            Value::Object(fields) => self.text(&lines(&fields)),
            other => self.text(&plain(&other)),
        }
    }

    /// Prints text as it is.
    pub(super) fn text(self, text: &str) -> Result<(), BoxError> {
        let mut out = io::stdout().lock();
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        match write!(out, "{text}{end}").and_then(|()| out.flush()) {
            // The reader has closed the pipe, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }

    /// Prints an error to stderr.
    pub(super) fn error(self, error: &dyn std::error::Error) {
        let text = match self.json {
            true => json!({ "error": error.to_string() }).to_string(),
            false => format!("error: {error}"),
        };
        // If stderr is closed, the exit code must do.
        let _ = writeln!(io::stderr(), "{text}");
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        Value::Array(list) if list.is_empty() => "none".into(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    }
}

fn lines(fields: &Map<String, Value>) -> String {
    let width = fields.keys().map(String::len).max().unwrap_or(0) + COLUMN_GAP;
    fields.iter().map(|(name, value)| format!("{:width$}{}\n", format!("{name}:"), plain(value))).collect()
}

fn table(rows: &[Value]) -> String {
    let Some(first) = rows.iter().find_map(Value::as_object) else { return "none\n".into() };
    let names: Vec<&String> = first.keys().collect();
    let cells = |row: &Value| names.iter().map(|name| plain(&row[name.as_str()])).collect::<Vec<_>>();
    let mut all = vec![names.iter().map(|name| (*name).clone()).collect::<Vec<_>>()];
    all.extend(rows.iter().map(cells));
    let width =
        |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0) + COLUMN_GAP;
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded: String = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.trim_end().to_owned() + "\n"
    };
    all.iter().map(line).collect()
}
