//! Links that let somebody in who has no password: made, looked at, used up, withdrawn.

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::group::WriteTx;
use super::{Store, apps, audit, sessions, users};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::links::{Link, LinkKind};
use crate::model::users::User;

const COLUMNS: &str = "
    SELECT links.uuid, users.email, apps.name, links.uses_left, links.created_at, links.expires_at, links.id, links.user
    FROM links LEFT JOIN users ON users.id = links.user LEFT JOIN apps ON apps.id = links.app
    WHERE links.kind = ?1 AND links.uses_left > 0 AND links.expires_at > ?2";
const INSERT: &str = "
    INSERT INTO links (uuid, hash, kind, user, app, uses_left, created_at, expires_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const USE: &str = "UPDATE links SET uses_left = uses_left - 1 WHERE id = ?1";
const REMOVE: &str = "DELETE FROM links WHERE uuid = ?1 AND kind = ?2";
const REMOVE_KIND: &str = "DELETE FROM links WHERE kind = ?1";
const REMOVE_RESETS: &str = "DELETE FROM links WHERE user = ?1";
const HAS_ADMIN: &str = "SELECT 1 FROM users WHERE admin = 1 AND disabled_at IS NULL";
const SET_PASSWORD: &str = "UPDATE users SET password_hash = ?2 WHERE id = ?1";

/// A link to be made. No `Debug`: it is about a secret.
#[derive(Clone)]
pub struct NewLink {
    /// Names it.
    pub id: Uuid,
    /// SHA-256 of its secret part.
    pub hash: [u8; 32],
    /// How often it can be used.
    pub uses: u32,
    /// Microseconds since 1970.
    pub expires_at: i64,
}

/// A person who signs up. No `Debug`: it holds a hash of a password.
#[derive(Clone)]
pub struct NewPerson {
    /// Names the user for ever.
    pub id: Uuid,
    /// Normalised.
    pub email: String,
    /// Argon2id in PHC form.
    pub password_hash: String,
}

/// What came of using a link to sign up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignUp {
    /// The account is there.
    Created(User),
    /// Another account has that address; the link is as good as before.
    EmailTaken,
    /// The link is unknown, used up or expired.
    LinkGone,
}

fn link_of(row: &Row<'_>) -> rusqlite::Result<(Link, i64, Option<i64>)> {
    let link = Link {
        id: Uuid::from_bytes(row.get(0)?),
        email: row.get(1)?,
        app_name: row.get(2)?,
        uses_left: row.get(3)?,
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
    };
    Ok((link, row.get(6)?, row.get(7)?))
}

fn find(
    connection: &Connection,
    kind: LinkKind,
    hash: &[u8; 32],
    now_us: i64,
) -> Result<Option<(Link, i64, Option<i64>)>, Fault> {
    if kind == LinkKind::Setup && has_admin(connection)? {
        return Ok(None);
    }
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} AND links.hash = ?3"))?;
    Ok(statement.query_row((kind.name(), now_us, hash), link_of).optional()?)
}

fn has_admin(connection: &Connection) -> Result<bool, Fault> {
    Ok(connection.prepare_cached(HAS_ADMIN)?.exists([])?)
}

fn insert(
    tx: &WriteTx<'_>,
    new: &NewLink,
    kind: LinkKind,
    user: Option<i64>,
    app: Option<i64>,
) -> Result<(), Fault> {
    let id = new.id.as_bytes();
    let row = (id, new.hash, kind.name(), user, app, new.uses, tx.now_us, new.expires_at);
    tx.prepare_cached(INSERT)?.execute(row)?;
    Ok(())
}

impl Store {
    /// Makes the one link to set up the first administrator, in place of all before it. `false`: there is an administrator.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn make_setup_link(&self, new: NewLink) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            tx.prepare_cached(REMOVE_KIND)?.execute([LinkKind::Setup.name()])?;
            if has_admin(tx)? {
                return Ok(false);
            }
            insert(tx, &new, LinkKind::Setup, None, None)?;
            Ok(true)
        })
        .await
    }

    /// Makes an invite, perhaps to an app of this id or name. `None`: there is no such app; else the app's name.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn make_invite(
        &self,
        actor: Actor,
        new: NewLink,
        app: Option<String>,
    ) -> Result<Option<Option<String>>, Fault> {
        self.write(1, move |tx| {
            let found = app.as_ref().map(|app| apps::find_row(tx, app)).transpose()?;
            let (row, name) = match found {
                None => (None, None),
                Some(None) => return Ok(None),
                Some(Some((row, name))) => (Some(row), Some(name)),
            };
            insert(tx, &new, LinkKind::Invite, None, row)?;
            audit::record(tx, actor, Action::InviteCreated, (None, None), Some(&new.id.to_string()))?;
            Ok(Some(name))
        })
        .await
    }

    /// Makes a link to set a new password for the account of this address, in place of all before it. `false`: there is none.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn make_reset_link(&self, actor: Actor, new: NewLink, email: String) -> Result<bool, Fault> {
        self.write(1, move |tx| match users::find(tx, &email)? {
            Some((user, found)) if found.email.is_some() && found.disabled_at.is_none() => {
                tx.prepare_cached(REMOVE_RESETS)?.execute([user])?;
                insert(tx, &new, LinkKind::Reset, Some(user), None)?;
                audit::record_user(tx, actor, Action::ResetLinkCreated, user, None)?;
                Ok(true)
            }
            _ => Ok(false),
        })
        .await
    }

    /// Invites that are still good, the newest first.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn list_invites(&self) -> Result<Vec<Link>, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY links.id DESC"))?;
            let links = statement.query_map((LinkKind::Invite.name(), now_us), link_of)?;
            Ok(links.map(|row| row.map(|(link, ..)| link)).collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Withdraws a link. `false`: there is none of this kind and id.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn withdraw_link(&self, actor: Actor, kind: LinkKind, id: Uuid) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let was_there = tx.prepare_cached(REMOVE)?.execute((id.as_bytes(), kind.name()))? > 0;
            if was_there && kind == LinkKind::Invite {
                audit::record(tx, actor, Action::InviteRevoked, (None, None), Some(&id.to_string()))?;
            }
            Ok(was_there)
        })
        .await
    }

    /// The link of this hash, if it is still good. Looking uses nothing up: programs that show previews follow links, too.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn find_link(&self, kind: LinkKind, hash: [u8; 32]) -> Result<Option<Link>, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| Ok(find(connection, kind, &hash, now_us)?.map(|(link, ..)| link))).await
    }

    /// Makes an account by a link, and uses the link up: the first administrator, or somebody who was invited.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn sign_up(
        &self,
        actor: Actor,
        kind: LinkKind,
        hash: [u8; 32],
        person: NewPerson,
    ) -> Result<SignUp, Fault> {
        self.write(1, move |tx| {
            let Some((found, link, _)) = find(tx, kind, &hash, tx.now_us)? else {
                return Ok(SignUp::LinkGone);
            };
            let made = users::create(tx, actor, &person, kind == LinkKind::Setup)?;
            let Some(user) = made else { return Ok(SignUp::EmailTaken) };
            tx.prepare_cached(USE)?.execute([link])?;
            if kind == LinkKind::Invite {
                audit::record(
                    tx,
                    actor,
                    Action::InviteUsed,
                    (Some(user.id), None),
                    Some(&found.id.to_string()),
                )?;
            }
            Ok(SignUp::Created(user))
        })
        .await
    }

    /// Makes an account without a link.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn sign_up_openly(&self, actor: Actor, person: NewPerson) -> Result<SignUp, Fault> {
        self.write(1, move |tx| {
            Ok(users::create(tx, actor, &person, false)?.map_or(SignUp::EmailTaken, SignUp::Created))
        })
        .await
    }

    /// Sets a new password by a link, uses the link up, and ends all sessions of the user. The key envelope stays what it is.
    /// `None`: the link is unknown, used up or expired; else the account's address.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn reset_password(
        &self,
        actor: Actor,
        hash: [u8; 32],
        password_hash: String,
    ) -> Result<Option<String>, Fault> {
        self.write(1, move |tx| {
            let found = find(tx, LinkKind::Reset, &hash, tx.now_us)?;
            let Some((Link { email: Some(email), .. }, _, Some(user))) = found else { return Ok(None) };
            tx.prepare_cached(SET_PASSWORD)?.execute((user, &password_hash))?;
            // The link goes with them.
            sessions::end_of_user(tx, user)?;
            audit::record_user(tx, actor, Action::PasswordChanged, user, Some("by a link"))?;
            Ok(Some(email))
        })
        .await
    }
}
