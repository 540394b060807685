//! What an operator can ask for: one enum for each noun, which clap reads from the command line and serde from the
//! control socket, beside what carries it out. Commands run inside the serving process when they come through its
//! control socket, and in the command line's own process when no server is running.

mod answer;
mod apps;
mod audit;
mod check;
mod context;
mod devices;
mod invites;
mod issuers;
mod links;
mod personal_access_tokens;
mod rotations;
mod sessions;
mod signing_keys;
mod sweep;
mod users;

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use answer::CommandError;
pub use apps::{AppCommand, CreatedApp, create_app};
pub use audit::AuditCommand;
pub use check::CheckReport;
pub use context::CommandContext;
pub use devices::DeviceCommand;
pub use invites::InviteCommand;
pub use issuers::IssuerCommand;
pub(super) use links::mail_reset_link;
pub use links::setup_link;
pub use personal_access_tokens::TokenCommand;
pub use rotations::RotationCommand;
pub use sessions::SessionCommand;
pub use signing_keys::KeyCommand;
pub use sweep::SweepCommand;
pub use users::{CreatedUser, Password, UserCommand, create_user};

/// A command. No `Debug`: some carry passwords.
#[derive(Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Manage apps
    #[command(subcommand)]
    App(AppCommand),
    /// Manage users
    #[command(subcommand)]
    User(UserCommand),
    /// Manage invite links
    #[command(subcommand)]
    Invite(InviteCommand),
    /// Manage devices
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Manage sessions
    #[command(subcommand)]
    Session(SessionCommand),
    /// Manage personal access tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Manage the identity providers that apps trust
    #[command(subcommand)]
    Issuer(IssuerCommand),
    /// Manage rotations of users' master keys
    #[command(subcommand)]
    Rotation(RotationCommand),
    /// Manage the keys that sign access tokens
    #[command(subcommand)]
    Key(KeyCommand),
    /// Show the audit log, newest entries first
    Audit(AuditCommand),
    /// Check the database for damage
    Check,
    /// Delete unused blob data and report missing blobs; fails if there are any
    Sweep(SweepCommand),
    /// The URL of the running server.
    #[command(skip)]
    Url,
}

/// Where the running server answers.
#[derive(Serialize, Deserialize)]
pub struct ServerUrl {
    /// `http://…`, or `unix:…`.
    pub url: String,
}

impl Command {
    /// Carries it out; what it changed is in force when this returns. The answer is what `--json` prints.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn execute(self, context: &CommandContext) -> Result<Value, CommandError> {
        match self {
            Self::App(command) => command.execute(context).await,
            Self::User(command) => command.execute(context).await,
            Self::Invite(command) => command.execute(context).await,
            Self::Device(command) => command.execute(context).await,
            Self::Session(command) => command.execute(context).await,
            Self::Token(command) => command.execute(context).await,
            Self::Issuer(command) => command.execute(context).await,
            Self::Rotation(command) => command.execute(context).await,
            Self::Key(command) => command.execute(context).await,
            Self::Audit(command) => command.execute(context).await,
            Self::Check => check::check(context).await,
            Self::Sweep(command) => command.execute(context).await,
            Self::Url => Err(CommandError::Refused("no server is running".into())),
        }
    }

    /// Whether it may create the data folder. Any other command on a mistyped one would report that nothing exists.
    pub fn may_create_data(&self) -> bool {
        matches!(self, Self::App(AppCommand::Create { .. }) | Self::User(UserCommand::Create { .. }))
    }

    /// Whether it sends mail.
    pub fn sends_mail(&self) -> bool {
        matches!(
            self,
            Self::Invite(InviteCommand::Create { mail: Some(_), .. })
                | Self::User(UserCommand::ResetPassword { mail: true, .. })
        )
    }
}
