//! `audit`: what the audit log tells.

use serde_json::json;

use super::{Outcome, selector, time};
use crate::model::audit::Audited;
use crate::store::Store;

/// The newest rows, of one account if it is named.
pub(super) async fn list(store: &Store, user: Option<String>, limit: u32) -> Outcome {
    let named = user.as_deref().map(selector).transpose()?;
    let rows = store.list_audit(named, limit).await?;
    let rows = rows.ok_or_else(|| format!("there is no user {}", user.unwrap_or_default()))?;
    let row = |row: &Audited| {
        json!({
            "at": time(row.at),
            "action": row.action,
            "user_id": row.user,
            "email": row.email,
            "app": row.app_name,
            "address": row.address,
            "detail": row.detail,
        })
    };
    Ok(rows.iter().map(row).collect())
}
