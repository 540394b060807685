//! What runs in the background, in bounded steps.

use super::{Store, audit};
use crate::error::Fault;
use crate::model::authorization::CODE_RETENTION_US;

const EXPIRE_SESSIONS: &str = "
    DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < ?1 LIMIT 500)";
/// What nothing else refers to once it has expired.
const EXPIRE_REST: [&str; 3] = [
    "DELETE FROM account_sessions WHERE id IN (SELECT id FROM account_sessions WHERE expires_at < ?1 LIMIT 500)",
    "DELETE FROM links WHERE id IN (SELECT id FROM links WHERE expires_at < ?1 LIMIT 500)",
    "DELETE FROM personal_access_tokens WHERE id IN (
        SELECT id FROM personal_access_tokens WHERE expires_at < ?1 LIMIT 500)",
];
const EXPIRE_CODES: &str = "
    DELETE FROM authorization_codes WHERE hash IN
        (SELECT hash FROM authorization_codes WHERE expires_at < ?1 LIMIT 500)";

impl Store {
    /// Runs one round of maintenance: writes what is only in memory, and deletes some of what has expired. To be
    /// called every few seconds; what one round leaves, the next one does.
    pub async fn maintain(&self) -> Result<(), Fault> {
        self.flush_device_progress().await?;
        self.expire_rotations().await?;
        self.resume_deletions().await?;
        self.flush_failures().await?;
        let audit_days = self.shared.options.audit_days;
        self.write(1, move |tx| {
            audit::prune(tx, audit_days)?;
            if tx.prepare_cached(EXPIRE_SESSIONS)?.execute([tx.now_us])? > 0 {
                tx.cache.clear();
            }
            for statement in EXPIRE_REST {
                tx.prepare_cached(statement)?.execute([tx.now_us])?;
            }
            tx.prepare_cached(EXPIRE_CODES)?.execute([tx.now_us - CODE_RETENTION_US])?;
            Ok(())
        })
        .await
    }
}
