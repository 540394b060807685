//! `rotation`: the replacements of users' master keys.

use serde_json::json;

use super::{CommandError, Outcome, no_app, selector};
use crate::model::rotations::RotationRow;
use crate::store::{Store, Undo};

pub(super) async fn list(store: &Store) -> Outcome {
    let rows = store.list_rotations().await?;
    let row = |row: &RotationRow| {
        json!({
            "user_id": row.user,
            "email": row.email,
            "app": row.app_name,
            "state": row.state,
            "key_version": row.key_version,
            "remaining": row.remaining,
            "began_at": row.began_at,
            "ended_at": row.ended_at,
        })
    };
    Ok(rows.iter().map(row).collect())
}

/// Puts back what the newest one replaced, and the old key.
pub(super) async fn undo(store: &Store, email: &str, app: &str) -> Outcome {
    let found = store.find_app(app.into()).await?.ok_or_else(|| no_app(app))?;
    let email = selector(email)?;
    let refuse = |reason: String| Err(CommandError::Refused(reason));
    match store.undo_rotation(email.clone(), found.id).await? {
        Undo::Undone(undone) => Ok(json!({
            "email": email,
            "app": found.name,
            "key_version": undone.key_version,
            "entries_put_back": undone.put_back,
            "entries_left_under_newer_keys": undone.left,
            "blob_keys_put_back": undone.blob_keys_put_back,
            "blob_keys_left_under_newer_keys": undone.blob_keys_left,
        })),
        Undo::NoLog => refuse(format!("{email} has no log in {app:?}")),
        Undo::Nothing => {
            refuse(format!("no rotation of {email} in {app:?} runs or was completed in the last seven days"))
        }
        Undo::KeyReplaced => refuse(format!(
            "the key that the rotation of {email} in {app:?} brought has been replaced by another one since"
        )),
    }
}
