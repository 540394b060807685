//! `tidelog app`.

use clap::Subcommand;

use crate::server::commands::Command;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Make an app; its API key is shown only now
    Create {
        /// What to call it
        name: String,
    },
    /// List the apps
    List,
    /// Show one app
    Show {
        /// Its id or name
        app: String,
    },
    /// Give an app a new API key, shown only now, and end all its sessions
    RotateKey {
        /// Its id or name
        app: String,
    },
    /// Change settings of an app
    Set {
        /// Its id or name
        app: String,
        /// cursor_format=string or number, blob_hash=any or verified
        #[arg(required = true, value_name = "KEY=VALUE")]
        assignments: Vec<String>,
    },
}

impl Verb {
    pub(super) fn command(self) -> Command {
        match self {
            Self::Create { name } => Command::AppCreate { name },
            Self::List => Command::AppList,
            Self::Show { app } => Command::AppShow { app },
            Self::RotateKey { app } => Command::AppRotateKey { app },
            Self::Set { app, assignments } => Command::AppSet { app, assignments },
        }
    }
}
