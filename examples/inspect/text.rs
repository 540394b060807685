//! Text that others wrote, made fit for a terminal: it may name, but not command, hide or rearrange.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use uuid::Uuid;

/// Stands for what was cut off.
const CUT: char = '…';
/// So many of the last digits of an id tell devices of one user apart.
const ID_TAIL: usize = 8;

/// What a terminal would obey or rearrange its line for: control characters, line separators, marks of writing direction.
fn is_tricky(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with every tricky character written out.
pub(crate) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_tricky(character) { out.extend(character.escape_default()) } else { out.push(character) }
    }
    out
}

/// A line of JSON with every tricky character, but for the line's end, as JSON escapes it. They are in strings only, and all in
/// the first plane.
pub(crate) fn escaped_in_json(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for character in line.chars() {
        if is_tricky(character) && character != '\n' {
            // Writing to a string does not fail.
            let _ = write!(out, "\\u{:04x}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out
}

/// The beginning of a text, in at most so many columns of a terminal.
pub(crate) fn fitted(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut room = columns.saturating_sub(1);
    let fits = |character: &char| {
        let width = character.width().unwrap_or(0);
        let fits = width <= room;
        room = room.saturating_sub(width);
        fits
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    kept.push(CUT);
    kept
}

/// A time, to the second, in UTC.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The day of a time, in UTC.
pub(crate) fn day(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

/// A device by its name, or by the end of its id if it was removed.
pub(crate) fn device(name: Option<&str>, id: Uuid) -> String {
    let id = id.simple().to_string();
    name.map_or_else(|| format!("removed {CUT}{}", &id[id.len() - ID_TAIL..]), str::to_owned)
}
