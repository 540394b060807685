//! One-time links, and what they are used for: sign-up, and setting a new password.

use uuid::Uuid;

use super::Auth;
use super::secrets::{hash_secret, new_secret};
use crate::clock::Clock;
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::links::{Link, LinkKind};
use crate::model::users::{check_new_password, normalize_email};
use crate::store::{NewLink, NewUser, SignUpOutcome};

const PREFIX: &str = "tll_";

/// Generates the secret of a link. Returns it beside what is stored.
pub fn new_link(clock: &Clock, uses: u32, lifetime_us: i64) -> Result<(String, NewLink), Fault> {
    let secret = new_secret(PREFIX)?;
    let (hash, expires_at) = (hash_secret(&secret), clock.now_us() + lifetime_us);
    Ok((secret, NewLink { id: Uuid::now_v7(), hash, uses, expires_at }))
}

/// The path of a link.
pub fn path_of(kind: LinkKind, secret: &str) -> String {
    format!("/{}/{secret}", kind.name())
}

/// The outcome of signing up, or of setting a password by a link.
pub enum LinkOutcome {
    /// It is done; this is the account's email.
    Done(String),
    /// The link is unknown, used up or expired.
    InvalidLink,
    /// What was entered is not acceptable; this sentence says why.
    Unacceptable(String),
}

impl Auth {
    /// The link with this secret, if it is valid. This does not use it up.
    pub async fn find_link(&self, kind: LinkKind, secret: &str) -> Result<Option<Link>, Fault> {
        self.store.find_link(kind, hash_secret(secret)).await
    }

    /// Creates an account by a link, or (`None`) without one, where sign-up is open.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if too many passwords are being hashed.
    pub async fn sign_up(
        &self,
        actor: Actor,
        link: Option<(LinkKind, &str)>,
        email: &str,
        password: String,
    ) -> Result<LinkOutcome, Fault> {
        let Ok(email) = normalize_email(email) else {
            return Ok(LinkOutcome::Unacceptable("Enter a valid email address.".into()));
        };
        if let Err(reason) = check_new_password(&password) {
            return Ok(LinkOutcome::Unacceptable(format!("The password {reason}.")));
        }
        let password_hash = self.passwords.hash(password).await?;
        let new = NewUser { id: Uuid::now_v7(), email: email.clone(), password_hash };
        let outcome = match link {
            Some((kind, secret)) => self.store.sign_up(actor, kind, hash_secret(secret), new).await?,
            None => {
                let created = self.store.create_user(actor, new, false).await?;
                created.map_or(SignUpOutcome::EmailTaken, SignUpOutcome::Created)
            }
        };
        Ok(match outcome {
            SignUpOutcome::Created(_) => LinkOutcome::Done(email),
            SignUpOutcome::InvalidLink => LinkOutcome::InvalidLink,
            SignUpOutcome::EmailTaken => LinkOutcome::Unacceptable(
                "An account with this email already exists. Sign in instead.".into(),
            ),
        })
    }

    /// Sets a new password by a link. The encryption key, and the passphrase that protects it, do not change.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if too many passwords are being hashed.
    pub async fn reset_password(
        &self,
        actor: Actor,
        secret: &str,
        password: String,
    ) -> Result<LinkOutcome, Fault> {
        if let Err(reason) = check_new_password(&password) {
            return Ok(LinkOutcome::Unacceptable(format!("The password {reason}.")));
        }
        // Checked before the password is hashed, so that made-up links do not cost a hash.
        if self.find_link(LinkKind::Reset, secret).await?.is_none() {
            return Ok(LinkOutcome::InvalidLink);
        }
        let password_hash = self.passwords.hash(password).await?;
        let email = self.store.reset_password(actor, hash_secret(secret), password_hash).await?;
        Ok(email.map_or(LinkOutcome::InvalidLink, LinkOutcome::Done))
    }
}
