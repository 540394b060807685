//! `tidelog device`.

use clap::Subcommand;
use uuid::Uuid;

use crate::server::commands::Command;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// List the devices of all users
    List,
    /// Remove a device and end its sessions; its changes stay
    Revoke {
        /// Its id
        device: Uuid,
    },
}

impl Verb {
    pub(super) fn command(self) -> Command {
        match self {
            Self::List => Command::DeviceList,
            Self::Revoke { device } => Command::DeviceRevoke { device },
        }
    }
}
