//! Links that let somebody in who has no password: 256 random bits, of which only a hash is kept.

use uuid::Uuid;

use super::Auth;
use super::secrets::{hash_secret, new_secret};
use crate::clock::Clock;
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::links::{Link, LinkKind};
use crate::model::users::{check_new_password, normalize_email};
use crate::store::{NewLink, NewPerson, SignUp};

/// What the secret part of a link starts with.
const PREFIX: &str = "tll_";

/// The secret part of a new link, and what is stored of it.
///
/// # Errors
/// The operating system has no randomness to give.
pub fn new_link(clock: &Clock, uses: u32, lives_us: i64) -> Result<(String, NewLink), Fault> {
    let secret = new_secret(PREFIX)?;
    let (hash, expires_at) = (hash_secret(&secret), clock.now_us() + lives_us);
    Ok((secret, NewLink { id: Uuid::now_v7(), hash, uses, expires_at }))
}

/// The path of a link.
pub fn path_of(kind: LinkKind, secret: &str) -> String {
    format!("/{}/{secret}", kind.name())
}

/// What came of signing up, or of setting a password by a link.
pub enum LinkUse {
    /// It worked; this is the account's address.
    Done(String),
    /// The link is unknown, used up or expired.
    LinkGone,
    /// Not like this; why, in a sentence.
    Unacceptable(String),
}

impl Auth {
    /// The link of this secret, if it is still good. Looking uses nothing up.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn find_link(&self, kind: LinkKind, secret: &str) -> Result<Option<Link>, Fault> {
        self.store.find_link(kind, hash_secret(secret)).await
    }

    /// Makes an account by a link, or (`None`) without one, where the server is open.
    ///
    /// # Errors
    /// A fault of the database, or too many sign-ins at once.
    pub async fn sign_up(
        &self,
        actor: Actor,
        link: Option<(LinkKind, &str)>,
        email: &str,
        password: String,
    ) -> Result<LinkUse, Fault> {
        let Ok(email) = normalize_email(email) else {
            return Ok(LinkUse::Unacceptable("Enter a valid email address.".into()));
        };
        if let Err(reason) = check_new_password(&password) {
            return Ok(LinkUse::Unacceptable(format!("The password {reason}.")));
        }
        let password_hash = self.passwords.hash(password).await?;
        let person = NewPerson { id: Uuid::now_v7(), email: email.clone(), password_hash };
        let signed_up = match link {
            Some((kind, secret)) => self.store.sign_up(actor, kind, hash_secret(secret), person).await?,
            None => self.store.sign_up_openly(actor, person).await?,
        };
        Ok(match signed_up {
            SignUp::Created(_) => LinkUse::Done(email),
            SignUp::LinkGone => LinkUse::LinkGone,
            SignUp::EmailTaken => {
                LinkUse::Unacceptable("An account with this email already exists. Sign in instead.".into())
            }
        })
    }

    /// Sets a new password by a link. The encryption key, and the passphrase around it, stay what they are.
    ///
    /// # Errors
    /// A fault of the database, or too many sign-ins at once.
    pub async fn reset_password(
        &self,
        actor: Actor,
        secret: &str,
        password: String,
    ) -> Result<LinkUse, Fault> {
        if let Err(reason) = check_new_password(&password) {
            return Ok(LinkUse::Unacceptable(format!("The password {reason}.")));
        }
        // Before the work: a made-up link must not burn the server's time.
        if self.find_link(LinkKind::Reset, secret).await?.is_none() {
            return Ok(LinkUse::LinkGone);
        }
        let password_hash = self.passwords.hash(password).await?;
        let reset = self.store.reset_password(actor, hash_secret(secret), password_hash).await?;
        Ok(reset.map_or(LinkUse::LinkGone, LinkUse::Done))
    }
}
