//! `tidelog key`.

use clap::Subcommand;

use crate::server::commands::Command;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Have a new key sign tokens from now on; those that are out stay good until they end
    Rotate,
}

impl Verb {
    pub(super) fn command(self) -> Command {
        match self {
            Self::Rotate => Command::KeyRotate,
        }
    }
}
