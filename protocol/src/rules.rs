//! Rules for names. Server and client share them, so that a client refuses what the server would refuse.

use crate::limits::{MAX_DEVICE_NAME_CHARS, MAX_ROW_ID_CHARS, MAX_TABLE_CHARS};

/// Checks the name of a table.
///
/// # Errors
/// Says what is wrong with it, for a person.
pub fn check_table(table: &str) -> Result<(), String> {
    let fits = (1..=MAX_TABLE_CHARS).contains(&table.len());
    if fits && table.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(());
    }
    Err(format!("must be 1 to {MAX_TABLE_CHARS} of A-Z, a-z, 0-9 and _"))
}

/// Checks the id of a row.
///
/// # Errors
/// Says what is wrong with it, for a person.
pub fn check_row_id(row_id: &str) -> Result<(), String> {
    check_text(row_id, MAX_ROW_ID_CHARS)
}

/// Checks the name of a device.
///
/// # Errors
/// Says what is wrong with it, for a person.
pub fn check_device_name(name: &str) -> Result<(), String> {
    check_text(name, MAX_DEVICE_NAME_CHARS)
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
