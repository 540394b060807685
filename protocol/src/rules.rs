//! What names may look like: the same rule at both ends, so that a client refuses what the server would.

use crate::limits::{MAX_ROW_ID_CHARS, MAX_TABLE_CHARS};

/// Whether a table may be called this.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn check_table(table: &str) -> Result<(), String> {
    let fits = (1..=MAX_TABLE_CHARS).contains(&table.len());
    if fits && table.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(());
    }
    Err(format!("must be 1 to {MAX_TABLE_CHARS} of A-Z, a-z, 0-9 and _"))
}

/// Whether a row may be called this.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn check_row_id(row_id: &str) -> Result<(), String> {
    check_text(row_id, MAX_ROW_ID_CHARS)
}

/// Whether a device may be called this.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn check_device_name(name: &str) -> Result<(), String> {
    check_text(name, crate::limits::MAX_DEVICE_NAME_CHARS)
}

fn check_text(text: &str, max_chars: usize) -> Result<(), String> {
    let chars = text.chars().count();
    if chars == 0 || chars > max_chars {
        return Err(format!("must have 1 to {max_chars} characters, this one has {chars}"));
    }
    if text.chars().any(char::is_control) {
        return Err("must not have control characters".into());
    }
    Ok(())
}
