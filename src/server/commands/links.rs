//! Invites, and the links by which people get in who have no password.

use serde_json::json;
use uuid::Uuid;

use super::{CommandError, Operator, Outcome, address, found, no_app, time};
use crate::auth::links::{new_link, path_of};
use crate::clock::MICROS_PER_SECOND;
use crate::config::SignUpRule;
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::links::{Link, LinkKind, MAX_INVITE_DAYS, MAX_USES, RESET_LIVES_US, SETUP_LIVES_US};

/// Seconds in a day.
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// What an operator is told whose invites lead nowhere.
pub(super) const CLOSED: &str =
    "sign-up is closed on this server: the link works once auth.sign_up is \"invite\" or \"open\"";

/// A link that was just made. No `Debug`: its address holds a secret.
pub(super) struct Made {
    pub(super) id: Uuid,
    pub(super) url: String,
    /// Name of the app that an invite is to.
    pub(super) app: Option<String>,
    /// Microseconds since 1970.
    pub(super) expires_at: i64,
}

/// Makes an invite; its address is shown only now.
pub(super) async fn create_invite(operator: &Operator, app: Option<String>, uses: u32, days: u32) -> Outcome {
    let made = make_invite(operator, app, uses, days).await?;
    let mut answer = json!({
        "url": made.url,
        "invite_id": made.id,
        "app": made.app,
        "uses": uses,
        "expires_at": time(made.expires_at),
    });
    if operator.sign_up == SignUpRule::Closed {
        answer["note"] = CLOSED.into();
    }
    Ok(answer)
}

pub(super) async fn make_invite(
    operator: &Operator,
    app: Option<String>,
    uses: u32,
    days: u32,
) -> Result<Made, CommandError> {
    let between = |value: u32, max: u32, what: &str| match value {
        value if (1..=max).contains(&value) => Ok(()),
        value => Err(CommandError::Refused(format!("an invite {what} 1 to {max}, not {value}"))),
    };
    between(uses, MAX_USES, "can be used by")?;
    between(days, MAX_INVITE_DAYS, "is good for a number of days from")?;
    let lives_us = i64::from(days) * DAY_SECONDS * MICROS_PER_SECOND;
    let (secret, link) = new_link(&operator.clock, uses, lives_us)?;
    let (id, expires_at) = (link.id, link.expires_at);
    let made = operator.store.make_invite(Actor::Operator, link, app.clone()).await?;
    let app = made.ok_or_else(|| no_app(app.as_deref().unwrap_or_default()))?;
    Ok(Made { id, url: operator.address(&path_of(LinkKind::Invite, &secret)), app, expires_at })
}

/// Invites that are still good. Their addresses are not kept.
pub(super) async fn list_invites(operator: &Operator) -> Outcome {
    let row = |link: &Link| {
        json!({
            "invite_id": link.id,
            "app": link.app_name,
            "uses_left": link.uses_left,
            "created_at": time(link.created_at),
            "expires_at": time(link.expires_at),
        })
    };
    Ok(operator.store.list_invites().await?.iter().map(row).collect())
}

pub(super) async fn revoke_invite(operator: &Operator, id: Uuid) -> Outcome {
    let was_there = operator.store.withdraw_link(Actor::Operator, LinkKind::Invite, id).await?;
    found(was_there, json!({ "invite_id": id }), || format!("there is no invite {id}"))
}

/// Makes a link by which a person sets a new password.
pub(super) async fn reset_link(operator: &Operator, email: &str) -> Outcome {
    let email = address(email)?;
    let made = make_reset(operator, Actor::Operator, &email).await?.ok_or_else(|| nobody(&email))?;
    Ok(json!({ "url": made.url, "email": email, "expires_at": time(made.expires_at) }))
}

/// The same for an account of this normalised address. `None`: there is none that may sign in.
pub(super) async fn make_reset(
    operator: &Operator,
    actor: Actor,
    email: &str,
) -> Result<Option<Made>, Fault> {
    let (secret, link) = new_link(&operator.clock, 1, RESET_LIVES_US)?;
    let (id, expires_at) = (link.id, link.expires_at);
    let made = operator.store.make_reset_link(actor, link, email.into()).await?;
    let url = operator.address(&path_of(LinkKind::Reset, &secret));
    Ok(made.then_some(Made { id, url, app: None, expires_at }))
}

pub(super) fn nobody(email: &str) -> CommandError {
    CommandError::Refused(format!("there is no user {email} who may sign in"))
}

/// The address at which the first administrator makes their account. `None`: there is one.
///
/// # Errors
/// A fault of the database, or no randomness.
pub async fn setup_link(operator: &Operator) -> Result<Option<String>, Fault> {
    let (secret, link) = new_link(&operator.clock, 1, SETUP_LIVES_US)?;
    let made = operator.store.make_setup_link(link).await?;
    Ok(made.then(|| operator.address(&path_of(LinkKind::Setup, &secret))))
}

/// Takes an account's second factor away.
pub(super) async fn disable_second_factor(operator: &Operator, email: &str) -> Outcome {
    let email = address(email)?;
    match operator.store.disable_second_factor_of(Actor::Operator, email.clone()).await? {
        None => Err(CommandError::Refused(format!("there is no user {email}"))),
        Some(false) => Err(CommandError::Refused(format!("{email} has no second factor"))),
        Some(true) => Ok(json!({ "email": email })),
    }
}
