//! How much memory the server takes for one push of the largest size.

use serde_json::{Value, json};
use tidelog_protocol::limits::{DEFAULT_BODY_BYTES, MAX_CHANGES_PER_PUSH};

use crate::account::Account;
use crate::content::{BODY_OVERHEAD, CHANGE_OVERHEAD, PushBody};
use crate::process::{forget_peak, megabytes, memory};
use crate::server::Server;
use crate::wire::{self, Wire};
use crate::{Result, seed};

/// Pushes just under 16 MiB in as many changes as one push may have. `idle` is what the server took after its start,
/// in bytes.
pub(crate) fn measure(server: &Server, idle: u64) -> Result<Value> {
    let account = Account::open(server, &seed::pusher(0, 0))?;
    let text_bytes = (DEFAULT_BODY_BYTES - BODY_OVERHEAD) / MAX_CHANGES_PER_PUSH - CHANGE_OVERHEAD;
    let body = PushBody::new(account.device, MAX_CHANGES_PER_PUSH, text_bytes / 4 * 3)?;
    let length = body.text().len();
    let mut request = body.behind(&account.head("/api/sync/push", length));
    let before = server.rss()?;
    forget_peak(&server.pid())?;
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
        Wire::new(wire::connect(server.address())?)?.ask(request.next_batch()).await.map(drop)
    })?;
    let peak = memory(&server.pid(), "VmHWM")?;
    Ok(json!({
        "body_16mib_mb": megabytes(peak.saturating_sub(idle)),
        "over_rss_before_mb": megabytes(peak.saturating_sub(before)),
        "body_mb": megabytes(length as u64),
    }))
}
