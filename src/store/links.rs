//! One-time links: created, found, used, revoked.

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::group::WriteTx;
use super::users::{self, NewUser};
use super::{Store, apps, audit, sessions};
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
const DELETE: &str = "DELETE FROM links WHERE uuid = ?1 AND kind = ?2";
const DELETE_KIND: &str = "DELETE FROM links WHERE kind = ?1";
const DELETE_RESETS: &str = "DELETE FROM links WHERE user = ?1";
const HAS_ADMIN: &str = "SELECT 1 FROM users WHERE admin = 1 AND disabled_at IS NULL";
const SET_PASSWORD: &str = "UPDATE users SET password_hash = ?2 WHERE id = ?1";

/// A link to be created. No `Debug`: it is about a secret.
#[derive(Clone)]
pub struct NewLink {
    /// The link's id.
    pub id: Uuid,
    /// SHA-256 of the secret in the link.
    pub hash: [u8; 32],
    /// How often it can be used.
    pub uses: u32,
    /// Microseconds since 1970.
    pub expires_at: i64,
}

/// The outcome of a sign-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignUpOutcome {
    /// The account was created.
    Created(User),
    /// Another account has this email. The link was not used up.
    EmailTaken,
    /// The link is unknown, used up or expired.
    InvalidLink,
}

/// A link, with what only this file needs of its row.
struct LinkRow {
    row: i64,
    user: Option<i64>,
    link: Link,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<LinkRow> {
    let link = Link {
        id: Uuid::from_bytes(row.get(0)?),
        email: row.get(1)?,
        app_name: row.get(2)?,
        uses_left: row.get(3)?,
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
    };
    Ok(LinkRow { row: row.get(6)?, user: row.get(7)?, link })
}

fn find(
    connection: &Connection,
    kind: LinkKind,
    hash: &[u8; 32],
    now_us: i64,
) -> Result<Option<LinkRow>, Fault> {
    if kind == LinkKind::Setup && has_admin(connection)? {
        return Ok(None);
    }
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} AND links.hash = ?3"))?;
    Ok(statement.query_row((kind.name(), now_us, hash), from_row).optional()?)
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
    /// Creates the link by which the first administrator is created, and revokes earlier ones. `false`: there is an
    /// administrator.
    pub async fn create_setup_link(&self, new: NewLink) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            tx.prepare_cached(DELETE_KIND)?.execute([LinkKind::Setup.name()])?;
            if has_admin(tx)? {
                return Ok(false);
            }
            insert(tx, &new, LinkKind::Setup, None, None)?;
            Ok(true)
        })
        .await
    }

    /// Creates an invite, if an app is given by id or name, to that app. Returns the app's name. `None`: there is no
    /// such app.
    pub async fn create_invite(
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

    /// Creates a link to set a new password for the account with this email, and revokes earlier ones. `false`: there
    /// is no such account, or it is disabled.
    pub async fn create_reset_link(&self, actor: Actor, new: NewLink, email: String) -> Result<bool, Fault> {
        self.write(1, move |tx| match users::find(tx, &email)? {
            Some((user, found)) if found.email.is_some() && found.disabled_at.is_none() => {
                tx.prepare_cached(DELETE_RESETS)?.execute([user])?;
                insert(tx, &new, LinkKind::Reset, Some(user), None)?;
                audit::record_user(tx, actor, Action::ResetLinkCreated, user, None)?;
                Ok(true)
            }
            _ => Ok(false),
        })
        .await
    }

    /// The valid invites, the newest first.
    pub async fn list_invites(&self) -> Result<Vec<Link>, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY links.id DESC"))?;
            let links = statement.query_map((LinkKind::Invite.name(), now_us), from_row)?;
            Ok(links.map(|row| row.map(|row| row.link)).collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Revokes a link. `false`: there is none of this kind and id.
    pub async fn revoke_link(&self, actor: Actor, kind: LinkKind, id: Uuid) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let existed = tx.prepare_cached(DELETE)?.execute((id.as_bytes(), kind.name()))? > 0;
            if existed && kind == LinkKind::Invite {
                audit::record(tx, actor, Action::InviteRevoked, (None, None), Some(&id.to_string()))?;
            }
            Ok(existed)
        })
        .await
    }

    /// The link with this hash, if it is valid. This does not use it up: programs that show previews open links, too.
    pub async fn find_link(&self, kind: LinkKind, hash: [u8; 32]) -> Result<Option<Link>, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| Ok(find(connection, kind, &hash, now_us)?.map(|row| row.link))).await
    }

    /// Creates an account by a link, and uses the link up: the first administrator's, or that of an invited user.
    pub async fn sign_up(
        &self,
        actor: Actor,
        kind: LinkKind,
        hash: [u8; 32],
        new: NewUser,
    ) -> Result<SignUpOutcome, Fault> {
        self.write(1, move |tx| {
            let Some(LinkRow { row, link, .. }) = find(tx, kind, &hash, tx.now_us)? else {
                return Ok(SignUpOutcome::InvalidLink);
            };
            let created = users::create(tx, actor, &new, kind == LinkKind::Setup)?;
            let Some(user) = created else { return Ok(SignUpOutcome::EmailTaken) };
            tx.prepare_cached(USE)?.execute([row])?;
            if kind == LinkKind::Invite {
                audit::record(
                    tx,
                    actor,
                    Action::InviteUsed,
                    (Some(user.id), None),
                    Some(&link.id.to_string()),
                )?;
            }
            Ok(SignUpOutcome::Created(user))
        })
        .await
    }

    /// Sets a new password by a link, uses the link up, and ends all sessions of the user. The key envelope does not
    /// change. Returns the account's email. `None`: the link is unknown, used up or expired.
    pub async fn reset_password(
        &self,
        actor: Actor,
        hash: [u8; 32],
        password_hash: String,
    ) -> Result<Option<String>, Fault> {
        self.write(1, move |tx| {
            let found = find(tx, LinkKind::Reset, &hash, tx.now_us)?;
            let Some(LinkRow { link: Link { email: Some(email), .. }, user: Some(user), .. }) = found else {
                return Ok(None);
            };
            tx.prepare_cached(SET_PASSWORD)?.execute((user, &password_hash))?;
            // This revokes the link, too.
            sessions::end_all_of_user(tx, user)?;
            audit::record_user(tx, actor, Action::PasswordChanged, user, Some("by a link"))?;
            Ok(Some(email))
        })
        .await
    }
}
