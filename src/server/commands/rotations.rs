//! `tidelog rotation`.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use tidelog_protocol::Timestamp;
use uuid::Uuid;

use super::answer::{Answer, CommandError, answer, no_app};
use super::context::CommandContext;
use super::users::user_selector;
use crate::model::rotations::RotationRow;
use crate::store::UndoOutcome;

/// Manages rotations of users' master keys.
#[derive(Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationCommand {
    /// List rotations that are running, or ended in the last seven days
    List,
    /// Restore what a user's latest rotation replaced, and the old key
    ///
    /// See docs/operations.md for what the user's devices must do afterwards.
    Undo {
        /// Email address of the user
        email: String,
        /// Name or ID of the app
        #[arg(long)]
        app: String,
    },
}

#[derive(Serialize)]
struct RotationDetails {
    user_id: Uuid,
    email: Option<String>,
    app: String,
    state: String,
    key_version: u32,
    remaining: u64,
    began_at: Timestamp,
    ended_at: Option<Timestamp>,
}

impl From<RotationRow> for RotationDetails {
    fn from(row: RotationRow) -> Self {
        Self {
            user_id: row.user,
            email: row.email,
            app: row.app_name,
            state: row.state,
            key_version: row.key_version,
            remaining: row.remaining,
            began_at: row.began_at,
            ended_at: row.ended_at,
        }
    }
}

#[derive(Serialize)]
struct UndoneRotation {
    email: String,
    app: String,
    key_version: u32,
    entries_put_back: u64,
    entries_left_under_newer_keys: u64,
    blob_keys_put_back: u64,
    blob_keys_left_under_newer_keys: u64,
}

impl RotationCommand {
    pub(super) async fn execute(self, context: &CommandContext) -> Answer {
        match self {
            Self::List => {
                let rotations = context.store.list_rotations().await?;
                answer(rotations.into_iter().map(RotationDetails::from).collect::<Vec<_>>())
            }
            Self::Undo { email, app } => undo(context, &email, &app).await,
        }
    }
}

async fn undo(context: &CommandContext, email: &str, app: &str) -> Answer {
    let found = context.store.find_app(app.into()).await?.ok_or_else(|| no_app(app))?;
    let email = user_selector(email)?;
    let refuse = |reason: String| Err(CommandError::Refused(reason));
    match context.store.undo_rotation(email.clone(), found.id).await? {
        UndoOutcome::Undone(undone) => answer(UndoneRotation {
            email,
            app: found.name,
            key_version: undone.key_version,
            entries_put_back: undone.put_back,
            entries_left_under_newer_keys: undone.left,
            blob_keys_put_back: undone.blob_keys_put_back,
            blob_keys_left_under_newer_keys: undone.blob_keys_left,
        }),
        UndoOutcome::NoLog => refuse(format!("{email} has no log in {app:?}")),
        UndoOutcome::Nothing => refuse(format!(
            "no rotation of {email} in {app:?} is running or was completed in the last seven days"
        )),
        UndoOutcome::KeyReplaced => {
            refuse(format!("the key that {email} rotated to in {app:?} has since been replaced by another"))
        }
    }
}
