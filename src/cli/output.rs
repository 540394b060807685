//! How answers look: JSON for programs, lines and tables for people. Logs go to stderr, so stdout is only ever the answer.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::Failure;

/// Blanks between two columns.
const GAP: usize = 2;

/// Where answers go.
#[derive(Clone, Copy)]
pub(super) struct Output {
    /// One JSON value instead of text.
    pub(super) json: bool,
}

impl Output {
    /// Prints an answer: an object as `name: value` lines, a list of objects as a table.
    pub(super) fn answer(self, answer: &Value) -> Result<(), Failure> {
        match answer {
            _ if self.json => self.raw(&answer.to_string()),
            Value::Array(rows) => self.raw(&table(rows)),
            Value::Object(fields) => self.raw(&lines(fields)),
            other => self.raw(&plain(other)),
        }
    }

    /// Prints text as it is.
    pub(super) fn raw(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        match write!(out, "{text}{end}").and_then(|()| out.flush()) {
            // Whoever read us has had enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }

    /// Says why a command did nothing, on stderr.
    pub(super) fn failure(self, failure: &dyn std::error::Error) {
        let text = match self.json {
            true => json!({ "error": failure.to_string() }).to_string(),
            false => format!("tidelog: {failure}"),
        };
        // Where nobody listens, the exit code has to do.
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
    let width = fields.keys().map(String::len).max().unwrap_or(0) + GAP;
    fields.iter().map(|(name, value)| format!("{:width$}{}\n", format!("{name}:"), plain(value))).collect()
}

fn table(rows: &[Value]) -> String {
    let Some(first) = rows.iter().find_map(Value::as_object) else { return "none\n".into() };
    let names: Vec<&String> = first.keys().collect();
    let cells = |row: &Value| names.iter().map(|name| plain(&row[name.as_str()])).collect::<Vec<_>>();
    let mut all = vec![names.iter().map(|name| (*name).clone()).collect::<Vec<_>>()];
    all.extend(rows.iter().map(cells));
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0) + GAP;
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded: String = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.trim_end().to_owned() + "\n"
    };
    all.iter().map(line).collect()
}
