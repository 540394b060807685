//! The size of the log, as counted by the server.

use serde::Serialize;
use tidelog_client::StatusResponse;

use crate::columns::Style;
use crate::error::Result;
use crate::output::Output;

#[derive(Serialize)]
struct Status<'s> {
    status: &'s StatusResponse,
}

/// `status`
pub(crate) fn run(status: &StatusResponse, style: Style) -> Result<Output> {
    Output::new(&Status { status }, show(status, style))
}

/// The numbers, one per line.
pub(crate) fn show(status: &StatusResponse, style: Style) -> String {
    let key = if status.key_version == 0 { "none".into() } else { format!("version {}", status.key_version) };
    let quota = status.quota_bytes.map_or_else(|| "none".to_owned(), |bytes| format!("{bytes} bytes"));
    style.pairs(&[
        ("changes", status.total_changes.to_string()),
        ("newest cursor", status.latest_cursor.to_string()),
        ("sealed changes", format!("{} bytes", status.change_bytes)),
        ("files", format!("{} bytes", status.blob_bytes)),
        ("quota", quota),
        ("devices", status.devices.to_string()),
        ("key", key),
    ])
}
