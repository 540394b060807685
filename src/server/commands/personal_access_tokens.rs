//! `tidelog token`.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use tidelog_protocol::Timestamp;
use uuid::Uuid;

use super::answer::{Answer, CommandError, answer, answer_if, no_app, time};
use super::context::CommandContext;
use crate::auth::personal_access_tokens::new_personal_access_token;
use crate::auth::secrets::hash_secret;
use crate::clock::MICROS_PER_SECOND;
use crate::model::actors::Actor;
use crate::model::personal_access_tokens::{DEFAULT_DAYS, MAX_DAYS, PersonalAccessToken, Scope};
use crate::store::NewPersonalAccessToken;

/// Microseconds in a day.
const DAY_US: i64 = 24 * 60 * 60 * MICROS_PER_SECOND;

/// Manages personal access tokens.
#[derive(Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenCommand {
    /// Create a personal access token and print it once
    Create {
        /// What the token allows: admin (administering apps) or ota (publishing releases)
        #[arg(long)]
        scope: String,
        /// Name or ID of the only app that the token is for [default: all apps]
        #[arg(long)]
        app: Option<String>,
        /// Days until the token expires
        #[arg(long, default_value_t = DEFAULT_DAYS)]
        days: u32,
    },
    /// List valid tokens
    List,
    /// Revoke a token
    Revoke {
        /// ID of the token
        token: Uuid,
    },
}

#[derive(Serialize)]
struct CreatedToken {
    token_id: Uuid,
    token: String,
    expires_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct TokenDetails {
    token_id: Uuid,
    scope: &'static str,
    app: Option<String>,
    created_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

impl From<PersonalAccessToken> for TokenDetails {
    fn from(token: PersonalAccessToken) -> Self {
        Self {
            token_id: token.id,
            scope: token.scope.name(),
            app: token.app.map(|(_, name)| name),
            created_at: time(token.created_at),
            expires_at: time(token.expires_at),
            last_used_at: token.last_used_at.and_then(time),
        }
    }
}

#[derive(Serialize)]
struct RevokedToken {
    token_id: Uuid,
}

impl TokenCommand {
    pub(super) async fn execute(self, context: &CommandContext) -> Answer {
        let store = &context.store;
        match self {
            Self::Create { scope, app, days } => create(context, &scope, app, days).await,
            Self::List => {
                let tokens = store.list_personal_access_tokens().await?;
                answer(tokens.into_iter().map(TokenDetails::from).collect::<Vec<_>>())
            }
            Self::Revoke { token } => {
                let revoked = store.revoke_personal_access_token(Actor::Operator, token).await?;
                answer_if(revoked, RevokedToken { token_id: token }, || format!("no token {token}"))
            }
        }
    }
}

async fn create(context: &CommandContext, scope: &str, app: Option<String>, days: u32) -> Answer {
    let refuse = |reason: String| Err(CommandError::Refused(reason));
    let Some(scope) = Scope::from_name(scope) else {
        return refuse(format!("--scope must be admin or ota, not {scope:?}"));
    };
    if !(1..=MAX_DAYS).contains(&days) {
        return refuse(format!("--days must be between 1 and {MAX_DAYS}, not {days}"));
    }
    if scope == Scope::Ota && app.is_none() {
        return refuse("a token that publishes releases is for one app: name it with --app".into());
    }
    let (id, token) = (Uuid::now_v7(), new_personal_access_token()?);
    let expires_at = context.store.now_us() + i64::from(days) * DAY_US;
    let new = NewPersonalAccessToken { id, hash: hash_secret(&token), scope, app: app.clone(), expires_at };
    if !context.store.create_personal_access_token(Actor::Operator, new).await? {
        return Err(no_app(app.as_deref().unwrap_or_default()));
    }
    answer(CreatedToken { token_id: id, token, expires_at: time(expires_at) })
}
