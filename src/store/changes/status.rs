//! How much a log holds.

use super::batches::log_state;
use crate::error::Fault;
use crate::model::changes::LogStatus;
use crate::model::sessions::Caller;
use crate::store::blob_totals::BlobTotals;
use crate::store::epochs::cursor_at;
use crate::store::{Store, devices};

impl Store {
    /// Returns how much the caller's log holds.
    pub async fn log_status(&self, caller: &Caller) -> Result<LogStatus, Fault> {
        let (caller, shared) = (caller.clone(), self.shared.clone());
        self.read_log(caller.log, move |log| {
            let state = log_state(log.connection, log.log, log.buffered_head())?;
            let blob_bytes = BlobTotals::find(log.connection, log.log)?.confirmed_bytes;
            Ok(LogStatus {
                total_changes: state.total_changes,
                change_bytes: state.change_bytes,
                blob_bytes: u64::try_from(blob_bytes).unwrap_or(0),
                latest_cursor: cursor_at(&*shared.epochs()?, &caller, state.head.seq),
                devices: devices::count_live(log.connection, log.log)?,
                key_version: state.keys.current,
            })
        })
        .await
    }
}
