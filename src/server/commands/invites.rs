//! `tidelog invite`.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use tidelog_protocol::Timestamp;
use uuid::Uuid;

use super::answer::{Answer, CommandError, answer, answer_if, no_app, time};
use super::context::CommandContext;
use super::links::{CreatedLink, mailer};
use super::users::email_address;
use crate::clock::MICROS_PER_SECOND;
use crate::config::SignUpRule;
use crate::mail::Message;
use crate::model::actors::Actor;
use crate::model::links::{Link, LinkKind, MAX_INVITE_DAYS, MAX_USES};

/// Seconds in a day.
const DAY_SECONDS: i64 = 24 * 60 * 60;
/// A mailed invite is for the owner of one mailbox.
const MAILED_USES: u32 = 1;
/// What an operator is told whose invites don't work.
const SIGN_UP_CLOSED: &str =
    "sign-up is closed on this server: the link works once auth.sign_up is \"invite\" or \"open\"";

/// Manages invites.
#[derive(Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InviteCommand {
    /// Create an invite link and print it once, or mail it; needs auth.sign_up = "invite" or "open"
    Create {
        /// Name or ID of the app to invite to, shown on the sign-up page
        #[arg(long)]
        app: Option<String>,
        /// Number of accounts that the invite can create
        #[arg(long, default_value_t = 1, conflicts_with = "mail")]
        uses: u32,
        /// Days until the invite expires
        #[arg(long, default_value_t = 7)]
        days: u32,
        /// Mail a single-use invite to this email address instead of printing it
        #[arg(long, value_name = "EMAIL")]
        mail: Option<String>,
    },
    /// List valid invites
    List,
    /// Revoke an invite
    Revoke {
        /// ID of the invite
        invite: Uuid,
    },
}

#[derive(Serialize)]
struct CreatedInvite {
    url: String,
    invite_id: Uuid,
    app: Option<String>,
    uses: u32,
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

#[derive(Serialize)]
struct MailedInvite {
    mailed_to: String,
    invite_id: Uuid,
    app: Option<String>,
    uses: u32,
    expires_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct InviteDetails {
    invite_id: Uuid,
    app: Option<String>,
    uses_left: u32,
    created_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl From<Link> for InviteDetails {
    fn from(link: Link) -> Self {
        Self {
            invite_id: link.id,
            app: link.app_name,
            uses_left: link.uses_left,
            created_at: time(link.created_at),
            expires_at: time(link.expires_at),
        }
    }
}

#[derive(Serialize)]
struct RevokedInvite {
    invite_id: Uuid,
}

impl InviteCommand {
    pub(super) async fn execute(self, context: &CommandContext) -> Answer {
        let is_closed = context.sign_up == SignUpRule::Closed;
        match self {
            Self::Create { app, uses, days, mail: None } => {
                let (link, app) = create_invite(context, app, uses, days).await?;
                answer(CreatedInvite {
                    invite_id: link.id,
                    app,
                    uses,
                    expires_at: time(link.expires_at),
                    note: is_closed.then_some(SIGN_UP_CLOSED),
                    url: link.url,
                })
            }
            Self::Create { app, days, mail: Some(email), .. } => {
                let (mailer, email) = (mailer(context)?, email_address(&email)?);
                if is_closed {
                    return Err(CommandError::Refused(format!("invite not mailed: {SIGN_UP_CLOSED}")));
                }
                let (link, app) = create_invite(context, app, MAILED_USES, days).await?;
                let message = Message::invite(app.as_deref(), &context.url, &link.url, link.expires_at);
                link.mail(context, Actor::Operator, mailer, &email, &message).await?;
                answer(MailedInvite {
                    mailed_to: email,
                    invite_id: link.id,
                    app,
                    uses: MAILED_USES,
                    expires_at: time(link.expires_at),
                })
            }
            Self::List => {
                let invites = context.store.list_invites().await?;
                answer(invites.into_iter().map(InviteDetails::from).collect::<Vec<_>>())
            }
            Self::Revoke { invite } => {
                let revoked = context.store.revoke_link(Actor::Operator, LinkKind::Invite, invite).await?;
                answer_if(revoked, RevokedInvite { invite_id: invite }, || format!("no invite {invite}"))
            }
        }
    }
}

/// Creates an invite, and finds the name of the app that it is for.
async fn create_invite(
    context: &CommandContext,
    app: Option<String>,
    uses: u32,
    days: u32,
) -> Result<(CreatedLink, Option<String>), CommandError> {
    for (flag, value, max) in [("--uses", uses, MAX_USES), ("--days", days, MAX_INVITE_DAYS)] {
        if !(1..=max).contains(&value) {
            return Err(CommandError::Refused(format!("{flag} must be between 1 and {max}, not {value}")));
        }
    }
    let lifetime_us = i64::from(days) * DAY_SECONDS * MICROS_PER_SECOND;
    let (link, stored) = CreatedLink::new(context, LinkKind::Invite, uses, lifetime_us)?;
    let created = context.store.create_invite(Actor::Operator, stored, app.clone()).await?;
    let app = created.ok_or_else(|| no_app(app.as_deref().unwrap_or_default()))?;
    Ok((link, app))
}
