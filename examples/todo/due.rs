//! Due dates, as people write and read them.

use chrono::{Datelike, Days, NaiveDate};

/// How to write a due date.
pub(crate) const HINT: &str = "today, tomorrow, +3, 2026-12-31, or leave empty";

/// Parses a due date: `Some(None)` if the text is empty, `None` if it is not a date.
pub(crate) fn parse(text: &str, today: NaiveDate) -> Option<Option<NaiveDate>> {
    let in_days = |days| today.checked_add_days(Days::new(days)).map(Some);
    match text.trim() {
        "" => Some(None),
        "today" => in_days(0),
        "tomorrow" => in_days(1),
        other => match other.strip_prefix('+') {
            Some(days) => in_days(days.parse().ok()?),
            None => other.parse().ok().map(Some),
        },
    }
}

/// Formats a date in few characters.
pub(crate) fn format(day: NaiveDate, today: NaiveDate) -> String {
    match day.signed_duration_since(today).num_days() {
        -1 => "yesterday".into(),
        0 => "today".into(),
        1 => "tomorrow".into(),
        2..=6 => day.format("%A").to_string(),
        _ if day.year() == today.year() => day.format("%-d %b").to_string(),
        _ => day.format("%-d %b %Y").to_string(),
    }
}
