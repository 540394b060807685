//! `tidelog session`.

use clap::Subcommand;
use uuid::Uuid;

use crate::server::commands::Command;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// List the sessions that are in force
    List,
    /// End a session
    Revoke {
        /// Its id
        session: Uuid,
    },
}

impl Verb {
    pub(super) fn command(self) -> Command {
        match self {
            Self::List => Command::SessionList,
            Self::Revoke { session } => Command::SessionRevoke { session },
        }
    }
}
