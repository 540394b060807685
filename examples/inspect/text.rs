//! Makes untrusted text safe for a terminal: it must not control the terminal, or hide or rearrange text.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use uuid::Uuid;

/// Marks truncated text.
const ELLIPSIS: char = '…';
/// The number of an id's last digits that are enough to distinguish the devices of one user.
const SHORT_ID_DIGITS: usize = 8;

/// Whether a character could control the terminal or rearrange the line: control characters, line separators,
/// direction marks.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes all unsafe characters.
pub(crate) fn escape_control(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) { out.extend(character.escape_default()) } else { out.push(character) }
    }
    out
}

/// Escapes all unsafe characters of a line of JSON, except for its line break, as JSON does. They occur only in
/// strings, and are all in the Basic Multilingual Plane.
pub(crate) fn escape_json_line(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for character in line.chars() {
        if is_unsafe(character) && character != '\n' {
            // Writing to a string does not fail.
            let _ = write!(out, "\\u{:04x}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out
}

/// Truncates a text to a number of terminal columns.
pub(crate) fn truncate(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut available = columns.saturating_sub(1);
    let fits = |character: &char| {
        let width = character.width().unwrap_or(0);
        let fits = width <= available;
        available = available.saturating_sub(width);
        fits
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    kept.push(ELLIPSIS);
    kept
}

/// Formats a time in UTC, to the second.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Formats the date of a time, in UTC.
pub(crate) fn date(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

/// Formats a device: by its name, or by the end of its id if it was removed.
pub(crate) fn device(name: Option<&str>, id: Uuid) -> String {
    let id = id.simple().to_string();
    name.map_or_else(|| format!("removed {ELLIPSIS}{}", &id[id.len() - SHORT_ID_DIGITS..]), str::to_owned)
}
