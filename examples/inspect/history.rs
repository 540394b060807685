//! All entries of one row, with what each of them changed.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::columns::Style;
use crate::entry::{Entry, compact};
use crate::error::{InspectError, Result};
use crate::log::Log;
use crate::output::Output;
use crate::quarantined::{self, Quarantined};
use crate::text;

/// Shown in place of a field's name if the value is not an object.
const WHOLE_VALUE: &str = "(value)";

#[derive(Serialize)]
struct History<'r> {
    table: &'r str,
    row_id: &'r str,
    history: Vec<Entry>,
    /// Quarantined entries that claim to belong to this row.
    quarantined: Vec<Quarantined>,
}

/// `history`
pub(crate) async fn run(log: &Log<'_>, table: &str, row: &str, style: Style) -> Result<Output> {
    let mut found = History { table, row_id: row, history: Vec::new(), quarantined: Vec::new() };
    let issues = log
        .read(|page| {
            let changes = page.changes.into_iter();
            let of_row = changes.filter(|change| change.entry.table == table && change.entry.row_id == row);
            found.history.extend(of_row.map(|change| Entry::new(change, log)));
            let entries = page.quarantined.into_iter();
            let claimed = entries.filter(|entry| entry.table == table && entry.row_id == row);
            found.quarantined.extend(claimed.map(|entry| Quarantined::new(entry, log)));
        })
        .await?;
    if found.history.is_empty() && found.quarantined.is_empty() {
        return Err(InspectError::NoRow { table: table.to_owned(), row: row.to_owned() });
    }
    Ok(Output::new(&found, found.show(style))?.with_warnings(issues.warnings()))
}

impl History<'_> {
    fn show(&self, style: Style) -> String {
        let mut shown = String::new();
        let mut before = None;
        for entry in &self.history {
            let now = fields(entry.value.as_ref());
            shown += &style.heading(style.line(&title(entry)).trim_end());
            shown.extend(changed(before.as_ref(), &now).map(|line| style.line(&line)));
            shown += "\n";
            before = Some(now);
        }
        if !self.quarantined.is_empty() {
            shown += &style.heading("Quarantined, but claiming to belong to this row");
            shown += &quarantined::show(&self.quarantined, style);
        }
        shown.truncate(shown.trim_end().len());
        shown + "\n"
    }
}

fn title(entry: &Entry) -> String {
    format!(
        "seq {}  {}  {} UTC  {}  key {}",
        entry.seq,
        entry.op.as_str(),
        text::time(entry.timestamp),
        text::device(entry.device.as_deref(), entry.device_id),
        entry.key_version
    )
}

type Fields<'v> = BTreeMap<&'v str, String>;

/// The fields of a value; a value that is not an object is shown as a single field.
fn fields(value: Option<&Value>) -> Fields<'_> {
    match value {
        None => Fields::new(),
        Some(Value::Object(object)) => {
            object.iter().map(|(name, value)| (name.as_str(), compact(Some(value)))).collect()
        }
        Some(value) => Fields::from([(WHOLE_VALUE, compact(Some(value)))]),
    }
}

/// One line for each old or new field, with a mark if it has changed. The first entry has no marks.
fn changed<'f>(before: Option<&'f Fields<'_>>, now: &'f Fields<'_>) -> impl Iterator<Item = String> + 'f {
    let names = before.into_iter().flatten().chain(now).map(|(name, value)| (*name, value.as_str()));
    let latest: BTreeMap<&str, &str> = names.collect();
    latest.into_iter().map(move |(name, value)| {
        let mark = match (before.map(|before| before.get(name).map(String::as_str)), now.contains_key(name)) {
            (None, _) => ' ',
            (Some(_), false) => '-',
            (Some(None), true) => '+',
            (Some(Some(old)), true) => {
                if old == value {
                    ' '
                } else {
                    '~'
                }
            }
        };
        format!("  {mark} {name}: {value}")
    })
}
