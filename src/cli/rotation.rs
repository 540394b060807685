//! `tidelog rotation`.

use clap::Subcommand;

use crate::server::commands::Command;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// List the rotations that run, or ended in the last seven days
    List,
    /// Put back what a user's newest rotation replaced, and the old key; see docs/operations.md for what devices must do then
    Undo {
        /// The user's e-mail address
        email: String,
        /// Name or id of the app
        #[arg(long)]
        app: String,
    },
}

impl Verb {
    pub(super) fn command(self) -> Command {
        match self {
            Self::List => Command::RotationList,
            Self::Undo { email, app } => Command::RotationUndo { email, app },
        }
    }
}
