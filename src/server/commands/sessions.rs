//! `tidelog session`.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use tidelog_protocol::Timestamp;
use uuid::Uuid;

use super::answer::{Answer, answer, answer_if, time};
use super::context::CommandContext;
use crate::model::actors::Actor;
use crate::model::sessions::Session;

/// Manages sessions.
#[derive(Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionCommand {
    /// List active sessions
    List,
    /// End a session
    Revoke {
        /// ID of the session
        session: Uuid,
    },
}

#[derive(Serialize)]
struct SessionDetails {
    session_id: Uuid,
    user_id: Uuid,
    email: Option<String>,
    app: String,
    created_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl From<Session> for SessionDetails {
    fn from(session: Session) -> Self {
        Self {
            session_id: session.id,
            user_id: session.user,
            email: session.email,
            app: session.app_name,
            created_at: time(session.created_at),
            expires_at: time(session.expires_at),
        }
    }
}

#[derive(Serialize)]
struct RevokedSession {
    session_id: Uuid,
}

impl SessionCommand {
    pub(super) async fn execute(self, context: &CommandContext) -> Answer {
        match self {
            Self::List => {
                let sessions = context.store.list_sessions().await?;
                answer(sessions.into_iter().map(SessionDetails::from).collect::<Vec<_>>())
            }
            Self::Revoke { session } => {
                let ended = context.store.end_session(Actor::Operator, session).await?;
                answer_if(ended, RevokedSession { session_id: session }, || format!("no session {session}"))
            }
        }
    }
}
