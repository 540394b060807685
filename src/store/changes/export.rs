//! Pages of a log for whoever takes it along: by whichever device, up to a seq.

use tidelog_protocol::Cursor;
use uuid::Uuid;

use super::pull::Scan;
use super::{Device, find_log};
use crate::error::Fault;
use crate::model::changes::{EntrySink, PullQuery};
use crate::model::cursors::BASE_SEQ;
use crate::model::export::Taker;
use crate::store::{Shared, Store, export};

/// No device: everything was written by others.
const NOBODY: Device = Device { id: 0, removed: false, pulled_seq: BASE_SEQ, own_until: 0 };

/// The newest seq of a log, and how many changes it holds.
pub(in crate::store) fn head(
    connection: &rusqlite::Connection,
    shared: &Shared,
    log: i64,
) -> Result<(i64, u64), Fault> {
    let found = find_log(connection, log, shared.tails.newest_seq(log))?;
    Ok((found.head.seq, found.total_changes))
}

impl Store {
    /// Gives the sink the entries after a seq, at most so many, and tells the last one that it got, and whether there are more.
    ///
    /// # Errors
    /// A fault of the database, or [`Fault::SessionEnded`].
    pub async fn export_changes<S: EntrySink>(
        &self,
        taker: &Taker,
        after_seq: i64,
        limit: usize,
        mut sink: S,
    ) -> Result<(i64, bool, S), Fault> {
        let (shared, taker) = (self.shared.clone(), taker.clone());
        self.read(move |connection| {
            // Before anything is read, as in a pull.
            let tail = shared.tails.of(taker.caller.log);
            export::require(connection, &taker)?;
            let query = PullQuery {
                device: Uuid::nil(),
                cursor: Cursor::Start,
                limit,
                tables: None,
                since_us: None,
                include_own: Some(true),
            };
            let mut scan = Scan::new(connection, &query, &NOBODY, after_seq.max(BASE_SEQ), &mut sink);
            scan.run(taker.caller.log, &tail)?;
            let (reached, has_more) = (scan.reached, scan.has_more);
            Ok((reached, has_more, sink))
        })
        .await
    }
}
