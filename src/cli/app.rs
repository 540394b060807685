//! `tidelog app`.

use clap::Subcommand;
use data_encoding::BASE64;

use super::Failure;
use crate::model::apps::Icon;
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
        /// cursor_format=string or number, blob_hash=any or verified, redirects=URL,URL…, cors=ORIGIN,ORIGIN… (or webview), color=#rrggbb, icon=FILE (PNG,
        /// JPEG or WebP); an empty value takes one away
        #[arg(required = true, value_name = "KEY=VALUE")]
        assignments: Vec<String>,
    },
}

impl Verb {
    pub(super) fn command(self) -> Result<Command, Failure> {
        Ok(match self {
            Self::Create { name } => Command::AppCreate { name },
            Self::List => Command::AppList,
            Self::Show { app } => Command::AppShow { app },
            Self::RotateKey { app } => Command::AppRotateKey { app },
            Self::Set { app, assignments } => {
                let assignments = assignments.into_iter().map(with_file).collect::<Result<_, _>>()?;
                Command::AppSet { app, assignments }
            }
        })
    }
}

/// The server may not be allowed to read the person's files, so it is sent what an icon's file holds.
fn with_file(assignment: String) -> Result<String, Failure> {
    match assignment.strip_prefix("icon=") {
        None | Some("") => Ok(assignment),
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))?;
            let icon = Icon::of_file(bytes)?;
            Ok(format!("icon={}", BASE64.encode(&icon.bytes)))
        }
    }
}
