//! `tidelog audit`.

use clap::Args;
use serde::{Deserialize, Serialize};
use tidelog_protocol::Timestamp;
use uuid::Uuid;

use super::answer::{Answer, answer, time};
use super::context::CommandContext;
use super::users::user_selector;
use crate::model::audit::AuditRecord;

/// Shows the audit log.
#[derive(Args, Serialize, Deserialize)]
pub struct AuditCommand {
    /// Show only entries about this user, given by email or ID
    #[arg(long, value_name = "EMAIL")]
    pub user: Option<String>,
    /// Maximum number of entries
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
}

#[derive(Serialize)]
struct AuditEntry {
    at: Option<Timestamp>,
    action: String,
    user_id: Option<Uuid>,
    email: Option<String>,
    app: Option<String>,
    client_ip: Option<String>,
    detail: Option<String>,
}

impl From<AuditRecord> for AuditEntry {
    fn from(row: AuditRecord) -> Self {
        Self {
            at: time(row.occurred_at),
            action: row.action,
            user_id: row.user,
            email: row.email,
            app: row.app_name,
            client_ip: row.client_ip,
            detail: row.detail,
        }
    }
}

impl AuditCommand {
    pub(super) async fn execute(self, context: &CommandContext) -> Answer {
        let selector = self.user.as_deref().map(user_selector).transpose()?;
        let rows = context.store.list_audit(selector, self.limit).await?;
        let rows = rows.ok_or_else(|| format!("no user {}", self.user.unwrap_or_default()))?;
        answer(rows.into_iter().map(AuditEntry::from).collect::<Vec<_>>())
    }
}
