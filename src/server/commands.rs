//! What an operator can ask for. The same commands run inside a serving process, when they come through its control socket,
//! and in the command line's own process when no server runs.

mod access;
mod apps;
mod audit;
mod issuers;
mod links;
mod mailed;
mod rotations;
mod tokens;
mod users;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;
use tidelog_protocol::Timestamp;
use uuid::Uuid;

pub use links::setup_link;
pub(super) use mailed::forgotten;

use crate::auth::passwords::Passwords;
use crate::auth::tokens::new_signing_key;
use crate::auth::{Auth, RotatedKeys};
use crate::blobs::Sweep;
use crate::clock::Clock;
use crate::config::SignUpRule;
use crate::error::Fault;
use crate::mail::Mailer;
use crate::model::actors::Actor;
use crate::model::users::normalize_email;
use crate::store::Store;

/// One command. No `Debug`: some carry passwords.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the command line documents each of them and its fields")]
pub enum Command {
    AppCreate {
        name: String,
    },
    AppList,
    AppShow {
        app: String,
    },
    AppRotateKey {
        app: String,
    },
    AppSet {
        app: String,
        assignments: Vec<String>,
    },
    UserCreate {
        email: String,
        password: String,
        admin: bool,
    },
    UserList,
    UserDisable {
        email: String,
    },
    UserEnable {
        email: String,
    },
    UserDelete {
        email: String,
    },
    UserResetPassword {
        email: String,
        password: String,
    },
    UserResetLink {
        email: String,
    },
    UserMailReset {
        email: String,
    },
    UserDisableTwoFactor {
        email: String,
    },
    InviteCreate {
        app: Option<String>,
        uses: u32,
        days: u32,
    },
    InviteMail {
        email: String,
        app: Option<String>,
        days: u32,
    },
    InviteList,
    InviteRevoke {
        invite: Uuid,
    },
    DeviceList,
    DeviceRevoke {
        device: Uuid,
    },
    SessionList,
    SessionRevoke {
        session: Uuid,
    },
    RotationList,
    RotationUndo {
        email: String,
        app: String,
    },
    KeyRotate,
    Audit {
        user: Option<String>,
        limit: u32,
    },
    IssuerAdd {
        app: String,
        issuer: String,
        audience: String,
        jwks_url: Option<String>,
        jwks: Option<String>,
    },
    IssuerList {
        app: String,
    },
    IssuerRemove {
        app: String,
        issuer: String,
    },
    TokenCreate {
        scope: String,
        app: Option<String>,
        days: u32,
    },
    TokenList,
    TokenRevoke {
        token: Uuid,
    },
    Sweep {
        dry_run: bool,
    },
    Check,
    /// Where the server answers; only a running one knows.
    Address,
}

/// What commands work with.
#[derive(Clone)]
pub struct Operator {
    /// The database.
    pub store: Store,
    /// The running server's sign-in. `None`: no server runs.
    pub auth: Option<Auth>,
    /// The hasher of passwords.
    pub passwords: Passwords,
    /// What looks after blobs. `None`: there are none.
    pub sweep: Option<Sweep>,
    /// What sends mail. `None`: none is sent.
    pub mailer: Option<Mailer>,
    /// Who may make an account.
    pub sign_up: SignUpRule,
    /// What time it is.
    pub clock: Clock,
    /// Where people reach the server, without a slash at the end.
    pub url: String,
}

impl Operator {
    /// The whole address of one of the server's places.
    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

/// Why a command did nothing.
#[derive(Clone, Debug, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandError {
    /// It asks for something that is not allowed, or names something that is not there.
    #[error("{0}")]
    Refused(String),
    /// Something else went wrong.
    #[error("{0}")]
    Failed(String),
}

impl From<Fault> for CommandError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.to_string())
    }
}

impl From<String> for CommandError {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

type Outcome = Result<Value, CommandError>;

/// Carries out a command; what it changed is in force when this returns.
///
/// # Errors
/// See [`CommandError`].
pub async fn execute(operator: &Operator, command: Command) -> Outcome {
    let Operator { store, passwords, sweep, .. } = operator;
    match command {
        Command::AppCreate { name } => apps::create(store, name).await,
        Command::AppList => apps::list(store).await,
        Command::AppShow { app } => apps::show(store, app).await,
        Command::AppRotateKey { app } => apps::rotate_key(store, app).await,
        Command::AppSet { app, assignments } => apps::set(store, app, &assignments).await,
        Command::UserCreate { email, password, admin } => {
            users::create(store, passwords, &email, password, admin).await
        }
        Command::UserList => users::list(store).await,
        Command::UserDisable { email } => {
            users::changed(store.disable_user(Actor::Operator, selector(&email)?).await?, &email)
        }
        Command::UserEnable { email } => {
            users::changed(store.enable_user(Actor::Operator, selector(&email)?).await?, &email)
        }
        Command::UserDelete { email } => {
            users::changed(store.delete_user(Actor::Operator, selector(&email)?).await?, &email)
        }
        Command::UserResetPassword { email, password } => {
            users::reset_password(store, passwords, &email, password).await
        }
        Command::UserResetLink { email } => links::reset_link(operator, &email).await,
        Command::UserMailReset { email } => mailed::reset(operator, &email).await,
        Command::UserDisableTwoFactor { email } => links::disable_second_factor(operator, &email).await,
        Command::InviteCreate { app, uses, days } => links::create_invite(operator, app, uses, days).await,
        Command::InviteMail { email, app, days } => mailed::invite(operator, &email, app, days).await,
        Command::InviteList => links::list_invites(operator).await,
        Command::InviteRevoke { invite } => links::revoke_invite(operator, invite).await,
        Command::DeviceList => access::list_devices(store).await,
        Command::DeviceRevoke { device } => access::revoke_device(store, device).await,
        Command::SessionList => access::list_sessions(store).await,
        Command::SessionRevoke { session } => access::revoke_session(store, session).await,
        Command::RotationList => rotations::list(store).await,
        Command::RotationUndo { email, app } => rotations::undo(store, &email, &app).await,
        Command::KeyRotate => {
            let rotated = match &operator.auth {
                Some(auth) => auth.rotate_keys(Actor::Operator).await?,
                None => {
                    RotatedKeys::of(&store.rotate_signing_keys(Actor::Operator, new_signing_key()?).await?)
                }
            };
            Ok(json!({ "kid": rotated.kid, "older_keys": rotated.older }))
        }
        Command::Audit { user, limit } => audit::list(store, user, limit).await,
        Command::IssuerAdd { app, issuer, audience, jwks_url, jwks } => {
            let source = issuers::KeySource { url: jwks_url, document: jwks };
            issuers::add(store, app, issuer, audience, source).await
        }
        Command::IssuerList { app } => issuers::list(store, app).await,
        Command::IssuerRemove { app, issuer } => issuers::remove(store, app, issuer).await,
        Command::TokenCreate { scope, app, days } => tokens::create(store, &scope, app, days).await,
        Command::TokenList => tokens::list(store).await,
        Command::TokenRevoke { token } => tokens::revoke(store, token).await,
        Command::Sweep { dry_run } => {
            let none = || CommandError::Refused("this server stores no blobs".into());
            let sweep = sweep.as_ref().ok_or_else(none)?;
            let swept = if dry_run { sweep.look().await? } else { sweep.all().await? };
            serde_json::to_value(swept).map_err(|error| CommandError::Failed(error.to_string()))
        }
        Command::Check => {
            let faults = store.check().await?;
            Ok(json!({ "ok": faults.is_empty(), "faults": faults }))
        }
        Command::Address => Err(CommandError::Refused("no server is running here".into())),
    }
}

fn time(micros: i64) -> Option<Timestamp> {
    Timestamp::from_micros(micros).ok()
}

fn address(email: &str) -> Result<String, CommandError> {
    Ok(normalize_email(email)?)
}

/// A user is named by the address, or by the id.
fn selector(user: &str) -> Result<String, CommandError> {
    if Uuid::parse_str(user).is_ok() { Ok(user.to_owned()) } else { address(user) }
}

fn no_app(app: &str) -> CommandError {
    CommandError::Refused(format!("there is no app {app:?}"))
}

fn found(was_there: bool, answer: Value, otherwise: impl FnOnce() -> String) -> Outcome {
    if was_there { Ok(answer) } else { Err(CommandError::Refused(otherwise())) }
}
