//! What an operator can ask for. The same commands run inside a serving process, when they come through its control socket,
//! and in the command line's own process when no server runs.

mod audit;
mod issuers;
mod links;
mod mailed;
mod tokens;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;
use tidelog_protocol::Timestamp;
use uuid::Uuid;

pub use links::setup_link;
pub(super) use mailed::forgotten;

use crate::auth::passwords::Passwords;
use crate::auth::secrets::{hash_secret, new_api_key};
use crate::auth::tokens::new_signing_key;
use crate::auth::{Auth, RotatedKeys};
use crate::blobs::Sweep;
use crate::clock::Clock;
use crate::error::Fault;
use crate::mail::Mailer;
use crate::model::apps::{self, App};
use crate::model::users::{self, User};
use crate::store::{NewApp, NewUser, Store, Undo};

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
        Command::AppCreate { name } => create_app(store, name).await,
        Command::AppList => Ok(store.list_apps().await?.iter().map(app_json).collect()),
        Command::AppShow { app } => {
            let found = store.find_app(app.clone()).await?;
            found.as_ref().map(app_json).ok_or_else(|| no_app(&app))
        }
        Command::AppRotateKey { app } => {
            let api_key = new_api_key()?;
            let rotated = store.rotate_app_key(app.clone(), hash_secret(&api_key)).await?;
            let rotated = rotated.ok_or_else(|| no_app(&app))?;
            Ok(json!({ "app_id": rotated.id, "api_key": api_key }))
        }
        Command::AppSet { app, assignments } => set_app(store, app, &assignments).await,
        Command::UserCreate { email, password, admin } => {
            create_user(store, passwords, &email, password, admin).await
        }
        Command::UserList => Ok(store.list_users().await?.iter().map(user_json).collect()),
        Command::UserDisable { email } => changed(store.disable_user(selector(&email)?).await?, &email),
        Command::UserEnable { email } => changed(store.enable_user(selector(&email)?).await?, &email),
        Command::UserDelete { email } => changed(store.delete_user(selector(&email)?).await?, &email),
        Command::UserResetPassword { email, password } => {
            users::check_new_password(&password)?;
            let hash = passwords.hash(password).await?;
            changed(store.set_password(address(&email)?, hash).await?, &email)
        }
        Command::UserResetLink { email } => links::reset_link(operator, &email).await,
        Command::UserMailReset { email } => mailed::reset(operator, &email).await,
        Command::UserDisableTwoFactor { email } => links::disable_second_factor(operator, &email).await,
        Command::InviteCreate { app, uses, days } => links::create_invite(operator, app, uses, days).await,
        Command::InviteMail { email, app, days } => mailed::invite(operator, &email, app, days).await,
        Command::InviteList => links::list_invites(operator).await,
        Command::InviteRevoke { invite } => links::revoke_invite(operator, invite).await,
        Command::DeviceList => list_devices(store).await,
        Command::DeviceRevoke { device } => {
            let removed = store.remove_any_device(device).await?;
            found(removed, json!({ "device_id": device }), || format!("there is no device {device}"))
        }
        Command::SessionList => list_sessions(store).await,
        Command::SessionRevoke { session } => {
            let ended = store.end_session(session).await?;
            found(ended, json!({ "session_id": session }), || format!("there is no session {session}"))
        }
        Command::RotationList => list_rotations(store).await,
        Command::RotationUndo { email, app } => undo_rotation(store, &email, &app).await,
        Command::KeyRotate => {
            let rotated = match &operator.auth {
                Some(auth) => auth.rotate_keys().await?,
                None => RotatedKeys::of(&store.rotate_signing_keys(new_signing_key()?).await?),
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

async fn create_app(store: &Store, name: String) -> Outcome {
    apps::check_name(&name)?;
    let api_key = new_api_key()?;
    match store.create_app(Uuid::now_v7(), name.clone(), hash_secret(&api_key)).await? {
        NewApp::Created(app) => Ok(json!({ "app_id": app.id, "name": app.name, "api_key": api_key })),
        NewApp::NameTaken => Err(CommandError::Refused(format!("there is an app {name:?} already"))),
    }
}

async fn set_app(store: &Store, app: String, assignments: &[String]) -> Outcome {
    let mut settings = store.find_app(app.clone()).await?.ok_or_else(|| no_app(&app))?.settings;
    for assignment in assignments {
        settings.assign(assignment)?;
    }
    let set = store.set_app(app.clone(), settings).await?;
    set.as_ref().map(app_json).ok_or_else(|| no_app(&app))
}

async fn create_user(
    store: &Store,
    passwords: &Passwords,
    email: &str,
    password: String,
    admin: bool,
) -> Outcome {
    let email = address(email)?;
    users::check_new_password(&password)?;
    let hash = passwords.hash(password).await?;
    match store.create_user(Uuid::now_v7(), email.clone(), hash, admin).await? {
        NewUser::Created(user) => Ok(json!({ "user_id": user.id, "email": user.email, "admin": user.admin })),
        NewUser::EmailTaken => Err(CommandError::Refused(format!("there is a user {email} already"))),
    }
}

async fn list_devices(store: &Store) -> Outcome {
    let rows = store.list_all_devices().await?;
    let row = |row: &crate::model::devices::DeviceRow| {
        json!({
            "device_id": row.device.id,
            "device_name": row.device.device_name,
            "platform": row.device.platform,
            "user_id": row.device.user_id,
            "email": row.email,
            "app": row.app_name,
            "created_at": row.device.created_at,
            "last_seen_at": row.device.last_seen_at,
        })
    };
    Ok(rows.iter().map(row).collect())
}

async fn list_sessions(store: &Store) -> Outcome {
    let rows = store.list_sessions().await?;
    let row = |row: &crate::model::sessions::Session| {
        json!({
            "session_id": row.id,
            "user_id": row.user,
            "email": row.email,
            "app": row.app_name,
            "created_at": time(row.created_at),
            "expires_at": time(row.expires_at),
        })
    };
    Ok(rows.iter().map(row).collect())
}

async fn list_rotations(store: &Store) -> Outcome {
    let rows = store.list_rotations().await?;
    let row = |row: &crate::model::rotations::RotationRow| {
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

async fn undo_rotation(store: &Store, email: &str, app: &str) -> Outcome {
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

fn app_json(app: &App) -> Value {
    json!({
        "app_id": app.id,
        "name": app.name,
        "cursor_format": app.settings.cursor_format,
        "blob_hash": app.settings.blob_hash.name(),
        "redirects": app.settings.redirects,
        "cors": app.settings.origins,
        "color": app.settings.look.color,
        "icon": app.settings.look.icon.as_ref().map(|icon| format!("{icon:?}")),
        "created_at": time(app.created_at),
    })
}

fn user_json(user: &User) -> Value {
    json!({
        "user_id": user.id,
        "email": user.email,
        "admin": user.admin,
        "disabled_at": user.disabled_at.map(time),
        "created_at": time(user.created_at),
    })
}

fn time(micros: i64) -> Option<Timestamp> {
    Timestamp::from_micros(micros).ok()
}

fn address(email: &str) -> Result<String, CommandError> {
    Ok(users::normalize_email(email)?)
}

/// A user is named by the address, or by the id.
fn selector(user: &str) -> Result<String, CommandError> {
    if Uuid::parse_str(user).is_ok() { Ok(user.to_owned()) } else { address(user) }
}

fn no_app(app: &str) -> CommandError {
    CommandError::Refused(format!("there is no app {app:?}"))
}

fn changed(was_there: bool, email: &str) -> Outcome {
    found(was_there, json!({ "email": email.trim().to_lowercase() }), || format!("there is no user {email}"))
}

fn found(was_there: bool, answer: Value, otherwise: impl FnOnce() -> String) -> Outcome {
    if was_there { Ok(answer) } else { Err(CommandError::Refused(otherwise())) }
}
