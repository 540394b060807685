//! `tidelog invite`.

use clap::Subcommand;
use uuid::Uuid;

use crate::server::commands::Command;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Make a link by which people make accounts; shown only now, or mailed. Needs auth.sign_up = "invite" or "open"
    Create {
        /// The app that it is to, by name or id: the page names it
        #[arg(long)]
        app: Option<String>,
        /// How many accounts may be made by it
        #[arg(long, default_value_t = 1, conflicts_with = "mail")]
        uses: u32,
        /// How many days it is good
        #[arg(long, default_value_t = 7)]
        days: u32,
        /// Mail it to this address instead of showing it; it is good once
        #[arg(long, value_name = "EMAIL")]
        mail: Option<String>,
    },
    /// List the invites that are still good
    List,
    /// Withdraw an invite
    Revoke {
        /// Its id
        invite: Uuid,
    },
}

impl Verb {
    pub(super) fn command(self) -> Command {
        match self {
            Self::Create { app, days, mail: Some(email), .. } => Command::InviteMail { email, app, days },
            Self::Create { app, uses, days, mail: None } => Command::InviteCreate { app, uses, days },
            Self::List => Command::InviteList,
            Self::Revoke { invite } => Command::InviteRevoke { invite },
        }
    }
}
