//! `tidelog issuer`.

use std::fs;
use std::path::PathBuf;

use clap::Subcommand;

use super::Failure;
use crate::server::commands::Command;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Let an app trust another system's word for who somebody is; once more changes what it is trusted for
    ///
    /// Without --jwks-url and --jwks-file, the issuer is an OpenID provider and tells itself where its keys are.
    Add {
        /// The app's id or name
        app: String,
        /// The issuer, as its tokens have it in `iss`
        url: String,
        /// What its tokens have in `aud`
        #[arg(long)]
        audience: String,
        /// Where its keys are: an https:// address of a JSON Web Key Set
        #[arg(long, value_name = "URL", conflicts_with = "jwks_file")]
        jwks_url: Option<String>,
        /// A file with its keys, a JSON Web Key Set; nothing is fetched then
        #[arg(long, value_name = "FILE")]
        jwks_file: Option<PathBuf>,
    },
    /// List the issuers that an app trusts
    List {
        /// The app's id or name
        app: String,
    },
    /// Let an app trust an issuer no longer, and end the sessions that it gave; its users and what they have stay
    Remove {
        /// The app's id or name
        app: String,
        /// The issuer
        url: String,
    },
}

impl Verb {
    pub(super) fn command(self) -> Result<Command, Failure> {
        Ok(match self {
            Self::Add { app, url, audience, jwks_url, jwks_file } => {
                let read = |file: PathBuf| {
                    fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))
                };
                let jwks = jwks_file.map(read).transpose()?;
                Command::IssuerAdd { app, issuer: url, audience, jwks_url, jwks }
            }
            Self::List { app } => Command::IssuerList { app },
            Self::Remove { app, url } => Command::IssuerRemove { app, issuer: url },
        })
    }
}
