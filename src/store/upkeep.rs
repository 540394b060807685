//! What is done in the background, in bounded steps.

use std::sync::Arc;

use super::{Store, audit};
use crate::error::Fault;
use crate::model::authorization::CODE_REMEMBERED_US;

const SEEN: &str = "
    UPDATE devices SET last_seen_at = max(last_seen_at, ?2), pulled_seq = coalesce(?3, pulled_seq),
        own_until = max(own_until, coalesce(?4, 0))
    WHERE id = ?1";
const EXPIRE: &str = "
    DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < ?1 LIMIT 500)";
/// What is over for good, besides sessions.
const EXPIRE_SIGN_INS: [&str; 3] = [
    "DELETE FROM account_sessions WHERE id IN (SELECT id FROM account_sessions WHERE expires_at < ?1 LIMIT 500)",
    "DELETE FROM links WHERE id IN (SELECT id FROM links WHERE expires_at < ?1 LIMIT 500)",
    "DELETE FROM personal_access_tokens WHERE id IN (
        SELECT id FROM personal_access_tokens WHERE expires_at < ?1 LIMIT 500)",
];
const EXPIRE_CODES: &str = "
    DELETE FROM authorization_codes WHERE hash IN
        (SELECT hash FROM authorization_codes WHERE expires_at < ?1 LIMIT 500)";

impl Store {
    /// Writes where devices stand.
    ///
    /// # Errors
    /// A fault of the database; nothing is forgotten.
    pub(super) async fn flush_presence(&self) -> Result<(), Fault> {
        let rows = self.shared.presence.unwritten();
        if rows.is_empty() {
            return Ok(());
        }
        let written = Arc::new(rows);
        let rows = written.clone();
        self.write(1, move |tx| {
            let mut update = tx.prepare_cached(SEEN)?;
            for (device, seen) in rows.iter() {
                update.execute((device, seen.at_us, seen.pulled_seq, seen.own_until))?;
            }
            drop(update);
            tx.known.forget_devices();
            Ok(())
        })
        .await?;
        self.shared.presence.written(&written);
        Ok(())
    }

    /// One round of upkeep: writes device positions, drops expired sessions, links and codes, goes on with deletions, and drops what rotations have put aside for long enough.
    /// To be called every minute or so.
    ///
    /// # Errors
    /// A fault of the database; the next round tries again.
    pub async fn upkeep(&self) -> Result<(), Fault> {
        self.flush_presence().await?;
        self.expire_rotations().await?;
        self.go_on_deleting().await?;
        self.flush_failures().await?;
        let audit_days = self.shared.options.audit_days;
        self.write(1, move |tx| {
            audit::prune(tx, audit_days)?;
            if tx.prepare_cached(EXPIRE)?.execute([tx.now_us])? > 0 {
                tx.known.forget_sessions();
            }
            for statement in EXPIRE_SIGN_INS {
                tx.prepare_cached(statement)?.execute([tx.now_us])?;
            }
            tx.prepare_cached(EXPIRE_CODES)?.execute([tx.now_us - CODE_REMEMBERED_US])?;
            Ok(())
        })
        .await
    }
}
