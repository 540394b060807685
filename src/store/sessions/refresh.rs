//! Refresh tokens: exchanged for their successors, and found again when they are given up.

use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use super::{INSERT_TOKEN, end_as, find_caller};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::sessions::{Caller, Refresh};
use crate::store::Store;
use crate::store::group::WriteTx;

const TOKEN: &str = "
    SELECT sessions.id, sessions.uuid, refresh_tokens.number, refresh_tokens.nonce,
        (SELECT next.first_used_at FROM refresh_tokens AS next
         WHERE next.session = sessions.id AND next.number = refresh_tokens.number + 1)
    FROM refresh_tokens JOIN sessions ON sessions.id = refresh_tokens.session
    WHERE refresh_tokens.hash = ?1 AND sessions.expires_at > ?2";
const OF_TOKEN: &str = "
    SELECT sessions.uuid FROM refresh_tokens JOIN sessions ON sessions.id = refresh_tokens.session
    WHERE refresh_tokens.hash = ?1";
const ROTATE: &str = "UPDATE refresh_tokens SET nonce = ?2, first_used_at = ?3 WHERE hash = ?1";
const FORGET_TOKENS: &str = "DELETE FROM refresh_tokens WHERE session = ?1 AND number <= ?2";
const EXTEND: &str = "UPDATE sessions SET expires_at = max(expires_at, ?2) WHERE id = ?1";

/// Refresh tokens of a session that are remembered, so that a stolen one from among them ends it: three years of refreshing
/// every day. Without a bound, a client that does nothing but refresh would fill the disk.
const MAX_TOKENS: i64 = 1_000;

/// A refresh token that was presented, and what its successor would be.
#[derive(Clone)]
pub struct Presented {
    /// Hash of the token.
    pub hash: [u8; 32],
    /// Fresh random bytes from which its successor would be made.
    pub rotation: [u8; 32],
    /// Hash of that successor.
    pub successor_hash: [u8; 32],
    /// Until when the session would live, microseconds since 1970.
    pub expires_at: i64,
}

/// What came of presenting a refresh token.
#[derive(Clone)]
pub enum Refreshed {
    /// Its successor is made from these random bytes: the fresh ones, or those of an earlier exchange.
    Successor {
        /// The session that it keeps alive.
        caller: Caller,
        /// What the successor is made from.
        rotation: [u8; 32],
    },
    /// Unknown or expired, or it was too old and its session has been ended.
    Refused,
}

impl Store {
    /// Exchanges a refresh token; see [`Refresh`].
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn refresh_session(&self, actor: Actor, presented: Presented) -> Result<Refreshed, Fault> {
        self.write(1, move |tx| refresh(tx, actor, &presented)).await
    }

    /// The session that a refresh token of this hash keeps alive, or has kept alive.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn session_of_refresh_token(&self, hash: [u8; 32]) -> Result<Option<Uuid>, Fault> {
        let whose = self.read(move |connection| {
            Ok(connection.prepare_cached(OF_TOKEN)?.query_row([hash], |row| row.get(0)).optional()?)
        });
        Ok(whose.await?.map(Uuid::from_bytes))
    }

    /// The app that such a session is in.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn app_of_refresh_token(&self, hash: [u8; 32]) -> Result<Option<Uuid>, Fault> {
        match self.session_of_refresh_token(hash).await? {
            Some(session) => Ok(self.find_caller(session).await?.map(|caller| caller.app)),
            None => Ok(None),
        }
    }
}

fn refresh(tx: &mut WriteTx<'_>, actor: Actor, presented: &Presented) -> Result<Refreshed, Fault> {
    type Token = (i64, [u8; 16], i64, Option<[u8; 32]>, Option<i64>);
    let from_row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let found = tx.prepare_cached(TOKEN)?.query_row((presented.hash, tx.now_us), from_row).optional()?;
    let Some((session, uuid, number, rotation, successor_first_used_at)): Option<Token> = found else {
        return Ok(Refreshed::Refused);
    };
    let uuid = Uuid::from_bytes(uuid);
    let successor = rotation.map(|rotation| (rotation, successor_first_used_at));
    let rotation = match (Refresh::judge(successor.map(|(_, used_at)| used_at), tx.now_us), successor) {
        (Refresh::Reused, _) => {
            end_as(tx, actor, uuid, Action::RefreshReused)?;
            return Ok(Refreshed::Refused);
        }
        (Refresh::Repeat, Some((rotation, _))) => rotation,
        (Refresh::Repeat | Refresh::Rotate, _) => {
            tx.prepare_cached(ROTATE)?.execute((presented.hash, presented.rotation, tx.now_us))?;
            tx.prepare_cached(INSERT_TOKEN)?.execute((presented.successor_hash, session, number + 1))?;
            tx.prepare_cached(FORGET_TOKENS)?.execute((session, number + 1 - MAX_TOKENS))?;
            presented.rotation
        }
    };
    tx.prepare_cached(EXTEND)?.execute((session, presented.expires_at))?;
    match find_caller(tx, uuid, tx.now_us)? {
        Some(caller) => Ok(Refreshed::Successor { caller, rotation }),
        None => Ok(Refreshed::Refused),
    }
}
