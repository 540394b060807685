//! How much the log holds, as the server counts.

use serde::Serialize;
use tidelog_client::StatusResponse;

use crate::answer::Answer;
use crate::columns::Style;
use crate::failure::Result;

#[derive(Serialize)]
struct Status<'s> {
    status: &'s StatusResponse,
}

/// `status`
pub(crate) fn answer(status: &StatusResponse, style: Style) -> Result<Answer> {
    Answer::new(&Status { status }, show(status, style))
}

/// The numbers, one below the other.
pub(crate) fn show(status: &StatusResponse, style: Style) -> String {
    let key = if status.key_version == 0 { "none".into() } else { format!("version {}", status.key_version) };
    let quota = status.quota_bytes.map_or_else(|| "none".to_owned(), |bytes| format!("{bytes} bytes"));
    style.facts(&[
        ("changes", status.total_changes.to_string()),
        ("newest cursor", status.latest_cursor.to_string()),
        ("sealed changes", format!("{} bytes", status.change_bytes)),
        ("files", format!("{} bytes", status.blob_bytes)),
        ("quota", quota),
        ("devices", status.devices.to_string()),
        ("key", key),
    ])
}
