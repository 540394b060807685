//! Links that go out by mail. One that could not be sent is withdrawn: nobody knows where else it may have got to.

use serde_json::json;

use super::links::{CLOSED, Made, make_invite, make_reset, nobody};
use super::{CommandError, Operator, Outcome, address, time};
use crate::config::SignUpRule;
use crate::mail::{Letter, Mailer, SendError};
use crate::model::actors::Actor;
use crate::model::links::LinkKind;

/// How often an invite that is mailed can be used: it is for whoever has the mailbox.
const USES: u32 = 1;

impl From<SendError> for CommandError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Address(_) => Self::Refused(error.to_string()),
            SendError::NotTaken(..) => Self::Failed(format!("{error}; the link is withdrawn")),
        }
    }
}

/// Makes an invite and mails it.
pub(super) async fn invite(operator: &Operator, email: &str, app: Option<String>, days: u32) -> Outcome {
    let (mailer, email) = (mailer(operator)?, address(email)?);
    if operator.sign_up == SignUpRule::Closed {
        return Err(CommandError::Refused(format!("no invite is mailed: {CLOSED}")));
    }
    let made = make_invite(operator, app, USES, days).await?;
    let letter = Letter::invite(made.app.as_deref(), &operator.url, &made.url, made.expires_at);
    send(operator, Actor::Operator, mailer, (LinkKind::Invite, &made), &email, &letter).await?;
    Ok(json!({
        "mailed_to": email,
        "invite_id": made.id,
        "app": made.app,
        "uses": USES,
        "expires_at": time(made.expires_at),
    }))
}

/// Makes a link by which a person sets a new password, and mails it to them.
pub(super) async fn reset(operator: &Operator, email: &str) -> Outcome {
    let email = address(email)?;
    mail_reset(operator, Actor::Operator, &email).await?.ok_or_else(|| nobody(&email))
}

/// The same for somebody who says that they forgot theirs: this normalised address may be nobody's, and that is no fault.
pub(in crate::server) async fn forgotten(operator: &Operator, email: &str) -> Result<(), CommandError> {
    mail_reset(operator, Actor::Server, email).await.map(drop)
}

async fn mail_reset(
    operator: &Operator,
    actor: Actor,
    email: &str,
) -> Result<Option<serde_json::Value>, CommandError> {
    let mailer = mailer(operator)?;
    let Some(made) = make_reset(operator, actor, email).await? else { return Ok(None) };
    let letter = Letter::reset(&operator.url, &made.url, made.expires_at);
    send(operator, actor, mailer, (LinkKind::Reset, &made), email, &letter).await?;
    Ok(Some(json!({ "mailed_to": email, "email": email, "expires_at": time(made.expires_at) })))
}

fn mailer(operator: &Operator) -> Result<&Mailer, CommandError> {
    operator.mailer.as_ref().ok_or_else(|| {
        CommandError::Refused(
            "this server sends no mail: set mail.smtp and mail.from, and start it again".into(),
        )
    })
}

async fn send(
    operator: &Operator,
    actor: Actor,
    mailer: &Mailer,
    (kind, made): (LinkKind, &Made),
    to: &str,
    letter: &Letter,
) -> Result<(), CommandError> {
    if let Err(error) = mailer.send(to, letter).await {
        operator.store.withdraw_link(actor, kind, made.id).await?;
        return Err(error.into());
    }
    Ok(())
}
