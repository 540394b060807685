//! Failed sign-ins in the audit log, written from their buffer.

use rusqlite::params;
use uuid::Uuid;

use crate::error::Fault;
use crate::model::audit::{Action, FailedSignIn};
use crate::store::Store;
use crate::store::group::WriteTx;

const INSERT: &str = "
    INSERT INTO audit_log (occurred_at, action, user, client_ip, detail)
    VALUES (?1, ?2, (SELECT uuid FROM users WHERE email = ?3 OR uuid = ?4), ?5, ?6)";

/// Longest name of an account, in characters. No account has a longer one.
const MAX_ACCOUNT_CHARS: usize = 254;

fn write(tx: &WriteTx<'_>, counts: &[(FailedSignIn, u32)]) -> Result<(), Fault> {
    for (failure, count) in counts {
        let id = Uuid::parse_str(&failure.account).ok().map(Uuid::into_bytes);
        let credential = failure.credential.name();
        let detail = if *count == 1 { credential.to_owned() } else { format!("{credential}, {count} times") };
        let (action, ip) = (Action::SignInFailed.name(), failure.ip.to_string());
        tx.prepare_cached(INSERT)?.execute(params![tx.now_us, action, failure.account, id, ip, detail])?;
    }
    Ok(())
}

impl Store {
    /// Buffers a failed sign-in. It is in the audit log some seconds later.
    pub fn record_failure(&self, failure: FailedSignIn) {
        let name = failure.account.trim();
        let account =
            if name.chars().count() > MAX_ACCOUNT_CHARS { String::new() } else { name.to_lowercase() };
        let now_us = self.shared.clock.now_us();
        self.shared.failures.add(FailedSignIn { account, ..failure }, now_us);
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// What was buffered is lost then.
    pub(in crate::store) async fn flush_failures(&self) -> Result<(), Fault> {
        let (counts, dropped) = self.shared.failures.take();
        if dropped > 0 {
            tracing::warn!(dropped, "more sign-ins failed than the audit log has room for");
        }
        if counts.is_empty() {
            return Ok(());
        }
        let counts: Vec<_> = counts.into_iter().collect();
        self.write(1, move |tx| write(tx, &counts)).await
    }
}
