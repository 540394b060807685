//! `tidelog token`.

use clap::Subcommand;
use uuid::Uuid;

use crate::model::access_tokens::DEFAULT_DAYS;
use crate::server::commands::Command;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Make an access token for a program; it is shown only now
    Create {
        /// What it is for: admin (administration) or ota (publishing of releases)
        #[arg(long)]
        scope: String,
        /// The one app that it is good for, by id or name; without it, every app
        #[arg(long)]
        app: Option<String>,
        /// Days for which it is good
        #[arg(long, default_value_t = DEFAULT_DAYS)]
        days: u32,
    },
    /// List the access tokens that are in force
    List,
    /// End an access token
    Revoke {
        /// Its id
        token: Uuid,
    },
}

impl Verb {
    pub(super) fn command(self) -> Command {
        match self {
            Self::Create { scope, app, days } => Command::TokenCreate { scope, app, days },
            Self::List => Command::TokenList,
            Self::Revoke { token } => Command::TokenRevoke { token },
        }
    }
}
