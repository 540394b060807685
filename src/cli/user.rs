//! `tidelog user`.

use clap::{Args, Subcommand};

use super::{Failure, secret};
use crate::server::commands::Command;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Make an account
    Create {
        /// Its e-mail address
        email: String,
        /// May administer this server
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        password: Password,
    },
    /// List the accounts
    List,
    /// Keep an account from signing in, and end its sessions
    Disable {
        /// Its e-mail address, or its id
        email: String,
    },
    /// Let an account sign in again
    Enable {
        /// Its e-mail address, or its id
        email: String,
    },
    /// Delete an account and everything it has on this server
    Delete {
        /// Its e-mail address, or its id
        email: String,
    },
    /// Ask for no second factor any more when an account signs in: for somebody who lost phone and recovery codes
    #[command(name = "disable-2fa")]
    DisableTwoFactor {
        /// Its e-mail address
        email: String,
    },
    /// Give an account a new password, and end its sessions; its encryption passphrase stays what it is
    ResetPassword {
        /// Its e-mail address
        email: String,
        /// Make a link instead, good once and for a day, by which the person sets it
        #[arg(long, conflicts_with = "password_stdin")]
        link: bool,
        /// Mail the link to the account's address instead of showing it
        #[arg(long, conflicts_with_all = ["link", "password_stdin"])]
        mail: bool,
        #[command(flatten)]
        password: Password,
    },
}

#[derive(Args)]
pub(super) struct Password {
    /// Read the password from the first line of standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

impl Verb {
    pub(super) fn command(self) -> Result<Command, Failure> {
        Ok(match self {
            Self::Create { email, admin, password } => {
                Command::UserCreate { email, password: secret::read(password.password_stdin)?, admin }
            }
            Self::List => Command::UserList,
            Self::Disable { email } => Command::UserDisable { email },
            Self::Enable { email } => Command::UserEnable { email },
            Self::Delete { email } => Command::UserDelete { email },
            Self::DisableTwoFactor { email } => Command::UserDisableTwoFactor { email },
            Self::ResetPassword { email, mail: true, .. } => Command::UserMailReset { email },
            Self::ResetPassword { email, link: true, .. } => Command::UserResetLink { email },
            Self::ResetPassword { email, password, .. } => {
                Command::UserResetPassword { email, password: secret::read(password.password_stdin)? }
            }
        })
    }
}
