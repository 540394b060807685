//! One-time links that commands create, to show or to mail.

use uuid::Uuid;

use super::answer::CommandError;
use super::context::CommandContext;
use crate::auth::links::{new_link, path_of};
use crate::error::Fault;
use crate::mail::{Mailer, Message, SendError};
use crate::model::actors::Actor;
use crate::model::links::{LinkKind, RESET_LIFETIME_US, SETUP_LIFETIME_US};
use crate::store::NewLink;

/// A new link. No `Debug`: its URL holds a secret.
pub(super) struct CreatedLink {
    kind: LinkKind,
    pub(super) id: Uuid,
    pub(super) url: String,
    /// Microseconds since 1970.
    pub(super) expires_at: i64,
}

impl CreatedLink {
    /// A link, and what to store of it.
    pub(super) fn new(
        context: &CommandContext,
        kind: LinkKind,
        uses: u32,
        lifetime_us: i64,
    ) -> Result<(Self, NewLink), Fault> {
        let (secret, stored) = new_link(&context.clock, uses, lifetime_us)?;
        let url = format!("{}{}", context.url, path_of(kind, &secret));
        Ok((Self { kind, id: stored.id, url, expires_at: stored.expires_at }, stored))
    }

    /// Mails it. A link that could not be sent is revoked: nobody can tell where else it ended up.
    pub(super) async fn mail(
        &self,
        context: &CommandContext,
        actor: Actor,
        mailer: &Mailer,
        to: &str,
        message: &Message,
    ) -> Result<(), CommandError> {
        if let Err(error) = mailer.send(to, message).await {
            context.store.revoke_link(actor, self.kind, self.id).await?;
            return Err(match error {
                SendError::InvalidAddress(_) => CommandError::Refused(error.to_string()),
                SendError::NotAccepted(..) => CommandError::Failed(format!("{error}; the link was revoked")),
            });
        }
        Ok(())
    }
}

/// Creates a link to set up the first administrator. `None`: there is an administrator.
///
/// # Errors
/// A fault of the database, or no randomness.
pub async fn setup_link(context: &CommandContext) -> Result<Option<String>, Fault> {
    let (link, stored) = CreatedLink::new(context, LinkKind::Setup, 1, SETUP_LIFETIME_US)?;
    Ok(context.store.create_setup_link(stored).await?.then_some(link.url))
}

/// Creates a link to set a new password for the account of this normalised email. `None`: no account with it may sign
/// in.
pub(super) async fn reset_link(
    context: &CommandContext,
    actor: Actor,
    email: &str,
) -> Result<Option<CreatedLink>, Fault> {
    let (link, stored) = CreatedLink::new(context, LinkKind::Reset, 1, RESET_LIFETIME_US)?;
    Ok(context.store.create_reset_link(actor, stored, email.into()).await?.then_some(link))
}

/// The same, mailed to the account's owner.
pub(in crate::server) async fn mail_reset_link(
    context: &CommandContext,
    actor: Actor,
    email: &str,
) -> Result<Option<i64>, CommandError> {
    let mailer = mailer(context)?;
    let Some(link) = reset_link(context, actor, email).await? else { return Ok(None) };
    let message = Message::password_reset(&context.url, &link.url, link.expires_at);
    link.mail(context, actor, mailer, email, &message).await?;
    Ok(Some(link.expires_at))
}

pub(super) fn mailer(context: &CommandContext) -> Result<&Mailer, CommandError> {
    let missing = "this server sends no mail: set mail.smtp_url and mail.from, then restart it";
    context.mailer.as_ref().ok_or_else(|| CommandError::Refused(missing.into()))
}
