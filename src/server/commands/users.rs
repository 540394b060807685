//! `tidelog user`.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use tidelog_protocol::Timestamp;
use uuid::Uuid;

use super::answer::{Answer, CommandError, answer, answer_if, time};
use super::context::CommandContext;
use super::links::{mail_reset_link, reset_link};
use crate::model::actors::Actor;
use crate::model::users::{User, check_new_password, normalize_email};
use crate::store::NewUser;

/// Manages users. No `Debug`: some commands carry passwords.
#[derive(Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserCommand {
    /// Create a user
    Create {
        /// Email address of the user
        email: String,
        /// Make the user an administrator of this server
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        #[allow(missing_docs, reason = "the type says it all")]
        password: Password,
    },
    /// List all users
    List,
    /// Block a user from signing in, and end their sessions
    Disable {
        /// Email address or ID of the user
        email: String,
    },
    /// Let a disabled user sign in again
    Enable {
        /// Email address or ID of the user
        email: String,
    },
    /// Delete a user and all their data
    Delete {
        /// Email address or ID of the user
        email: String,
    },
    /// Turn off two-factor authentication for a user who has lost their phone and recovery codes
    #[command(name = "disable-2fa")]
    DisableTwoFactor {
        /// Email address of the user
        email: String,
    },
    /// Set a new password for a user and end their sessions; their encryption passphrase stays the same
    ResetPassword {
        /// Email address of the user
        email: String,
        /// Print a link for the user to set it themselves; it works once, for a day
        #[arg(long, conflicts_with = "password_stdin")]
        link: bool,
        /// Mail the link to the user instead of printing it
        #[arg(long, conflicts_with_all = ["link", "password_stdin"])]
        mail: bool,
        #[command(flatten)]
        #[allow(missing_docs, reason = "the type says it all")]
        password: Password,
    },
}

/// A password. The command line reads it from standard input or a prompt before it sends the command, never from an
/// argument: those show in process lists and shell histories. No `Debug`.
#[derive(Args, Default, Serialize, Deserialize)]
pub struct Password {
    /// Read the password from standard input instead of prompting for it
    #[arg(long)]
    #[serde(skip)]
    pub password_stdin: bool,
    /// The password itself.
    #[arg(skip)]
    pub text: String,
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self { password_stdin: false, text: text.into() }
    }
}

/// A new user.
#[derive(Serialize)]
pub struct CreatedUser {
    /// Their ID.
    pub user_id: Uuid,
    /// Their email address.
    pub email: Option<String>,
    /// Whether they may administer the server.
    pub admin: bool,
}

#[derive(Serialize)]
struct UserDetails {
    user_id: Uuid,
    email: Option<String>,
    admin: bool,
    disabled_at: Option<Timestamp>,
    created_at: Option<Timestamp>,
}

impl From<User> for UserDetails {
    fn from(user: User) -> Self {
        Self {
            user_id: user.id,
            email: user.email,
            admin: user.admin,
            disabled_at: user.disabled_at.and_then(time),
            created_at: time(user.created_at),
        }
    }
}

#[derive(Serialize)]
struct ChangedUser {
    email: String,
}

#[derive(Serialize)]
struct CreatedResetLink {
    url: String,
    email: String,
    expires_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct MailedResetLink {
    mailed_to: String,
    email: String,
    expires_at: Option<Timestamp>,
}

impl UserCommand {
    pub(super) async fn execute(self, context: &CommandContext) -> Answer {
        let store = &context.store;
        match self {
            Self::Create { email, admin, password } => {
                answer(create_user(context, &email, password.text, admin).await?)
            }
            Self::List => {
                answer(store.list_users().await?.into_iter().map(UserDetails::from).collect::<Vec<_>>())
            }
            Self::Disable { email } => {
                changed(store.disable_user(Actor::Operator, user_selector(&email)?).await?, &email)
            }
            Self::Enable { email } => {
                changed(store.enable_user(Actor::Operator, user_selector(&email)?).await?, &email)
            }
            Self::Delete { email } => {
                changed(store.delete_user(Actor::Operator, user_selector(&email)?).await?, &email)
            }
            Self::DisableTwoFactor { email } => {
                let email = email_address(&email)?;
                match store.disable_second_factor_of(Actor::Operator, email.clone()).await? {
                    Some(false) => {
                        Err(CommandError::Refused(format!("{email} doesn't use two-factor authentication")))
                    }
                    disabled => changed(disabled.is_some(), &email),
                }
            }
            Self::ResetPassword { email, mail: true, .. } => {
                let email = email_address(&email)?;
                let expires_at = mail_reset_link(context, Actor::Operator, &email)
                    .await?
                    .ok_or_else(|| no_active_user(&email))?;
                answer(MailedResetLink { mailed_to: email.clone(), email, expires_at: time(expires_at) })
            }
            Self::ResetPassword { email, link: true, .. } => {
                let email = email_address(&email)?;
                let link = reset_link(context, Actor::Operator, &email)
                    .await?
                    .ok_or_else(|| no_active_user(&email))?;
                answer(CreatedResetLink { url: link.url, email, expires_at: time(link.expires_at) })
            }
            Self::ResetPassword { email, password, .. } => {
                let hash = hash_password(context, password.text).await?;
                changed(store.set_password(Actor::Operator, email_address(&email)?, hash).await?, &email)
            }
        }
    }
}

/// Creates a user.
///
/// # Errors
/// The email is taken, or it or the password is not allowed.
pub async fn create_user(
    context: &CommandContext,
    email: &str,
    password: String,
    admin: bool,
) -> Result<CreatedUser, CommandError> {
    let email = email_address(email)?;
    let hash = hash_password(context, password).await?;
    let new = NewUser { id: Uuid::now_v7(), email: email.clone(), password_hash: hash };
    match context.store.create_user(Actor::Operator, new, admin).await? {
        Some(user) => Ok(CreatedUser { user_id: user.id, email: user.email, admin: user.admin }),
        None => Err(CommandError::Refused(format!("user {email} already exists"))),
    }
}

async fn hash_password(context: &CommandContext, password: String) -> Result<String, CommandError> {
    check_new_password(&password).map_err(|reason| format!("the password {reason}"))?;
    Ok(context.passwords.hash(password).await?)
}

fn changed(exists: bool, email: &str) -> Answer {
    answer_if(exists, ChangedUser { email: email.trim().to_lowercase() }, || format!("no user {email}"))
}

fn no_active_user(email: &str) -> CommandError {
    CommandError::Refused(format!("no active user {email}"))
}

pub(super) fn email_address(email: &str) -> Result<String, CommandError> {
    Ok(normalize_email(email)?)
}

/// What the store finds a user by: the email or the ID.
pub(super) fn user_selector(user: &str) -> Result<String, CommandError> {
    if Uuid::parse_str(user).is_ok() { Ok(user.to_owned()) } else { email_address(user) }
}
