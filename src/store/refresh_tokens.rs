//! Refresh tokens: exchanged for their successors, and looked up when they are revoked.

use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use super::group::WriteTx;
use super::{Store, sessions};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::sessions::{Caller, RefreshDecision};

const FIND: &str = "
    SELECT sessions.id, sessions.uuid, refresh_tokens.number, refresh_tokens.nonce,
        (SELECT next.first_used_at FROM refresh_tokens AS next
         WHERE next.session = sessions.id AND next.number = refresh_tokens.number + 1)
    FROM refresh_tokens JOIN sessions ON sessions.id = refresh_tokens.session
    WHERE refresh_tokens.hash = ?1 AND sessions.expires_at > ?2";
const SESSION_OF_TOKEN: &str = "
    SELECT sessions.uuid FROM refresh_tokens JOIN sessions ON sessions.id = refresh_tokens.session
    WHERE refresh_tokens.hash = ?1";
const INSERT: &str = "INSERT INTO refresh_tokens (hash, session, number) VALUES (?1, ?2, ?3)";
const SET_NONCE: &str = "UPDATE refresh_tokens SET nonce = ?2, first_used_at = ?3 WHERE hash = ?1";
const DELETE_OLDEST: &str = "DELETE FROM refresh_tokens WHERE session = ?1 AND number <= ?2";
const EXTEND_SESSION: &str = "UPDATE sessions SET expires_at = max(expires_at, ?2) WHERE id = ?1";

/// Tokens kept of a session, so that the use of a stolen one among them ends it: three years of daily refreshing.
/// Without a limit, a client that does nothing but refresh would fill the disk.
const MAX_TOKENS: i64 = 1_000;

/// A refresh token to be exchanged, and what its successor would be. No `Debug`: it is about secrets.
#[derive(Clone)]
pub struct TokenRefresh {
    /// Hash of the token.
    pub hash: [u8; 32],
    /// Fresh random bytes from which its successor would be derived.
    pub nonce: [u8; 32],
    /// Hash of that successor.
    pub successor_hash: [u8; 32],
    /// When the session would end then, in microseconds since 1970.
    pub expires_at: i64,
}

/// The successor of a refresh token.
#[derive(Clone)]
pub struct TokenSuccessor {
    /// The caller whose session it keeps alive.
    pub caller: Caller,
    /// What it is derived from: the fresh random bytes, or those of an earlier exchange of the same token.
    pub nonce: [u8; 32],
}

impl Store {
    /// Exchanges a refresh token; see [`RefreshDecision`]. `None`: it is unknown or expired, or it was used before
    /// and its session has now been ended.
    pub async fn refresh_session(
        &self,
        actor: Actor,
        refresh: TokenRefresh,
    ) -> Result<Option<TokenSuccessor>, Fault> {
        self.write(1, move |tx| exchange(tx, actor, &refresh)).await
    }

    /// The session of the refresh token that has this hash.
    pub async fn session_of_refresh_token(&self, hash: [u8; 32]) -> Result<Option<Uuid>, Fault> {
        let session = self.read(move |connection| {
            let mut statement = connection.prepare_cached(SESSION_OF_TOKEN)?;
            Ok(statement.query_row([hash], |row| row.get(0)).optional()?)
        });
        Ok(session.await?.map(Uuid::from_bytes))
    }

    /// The app of that session, if it is live.
    pub async fn app_of_refresh_token(&self, hash: [u8; 32]) -> Result<Option<Uuid>, Fault> {
        match self.session_of_refresh_token(hash).await? {
            Some(session) => Ok(self.find_caller(session).await?.map(|caller| caller.app)),
            None => Ok(None),
        }
    }
}

fn exchange(
    tx: &mut WriteTx<'_>,
    actor: Actor,
    refresh: &TokenRefresh,
) -> Result<Option<TokenSuccessor>, Fault> {
    type Token = (i64, [u8; 16], i64, Option<[u8; 32]>, Option<i64>);
    let from_row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let found = tx.prepare_cached(FIND)?.query_row((refresh.hash, tx.now_us), from_row).optional()?;
    let Some((session, uuid, number, nonce, successor_first_used_at)): Option<Token> = found else {
        return Ok(None);
    };
    let uuid = Uuid::from_bytes(uuid);
    let successor = nonce.map(|nonce| (nonce, successor_first_used_at));
    let decision = RefreshDecision::by_successor(successor.map(|(_, used_at)| used_at), tx.now_us);
    let nonce = match (decision, successor) {
        (RefreshDecision::EndSession, _) => {
            sessions::end_as(tx, actor, uuid, Action::RefreshReused)?;
            return Ok(None);
        }
        (RefreshDecision::Repeat, Some((nonce, _))) => nonce,
        (RefreshDecision::Repeat | RefreshDecision::Rotate, _) => {
            tx.prepare_cached(SET_NONCE)?.execute((refresh.hash, refresh.nonce, tx.now_us))?;
            tx.prepare_cached(INSERT)?.execute((refresh.successor_hash, session, number + 1))?;
            tx.prepare_cached(DELETE_OLDEST)?.execute((session, number + 1 - MAX_TOKENS))?;
            refresh.nonce
        }
    };
    tx.prepare_cached(EXTEND_SESSION)?.execute((session, refresh.expires_at))?;
    Ok(sessions::find_caller(tx, uuid, tx.now_us)?.map(|caller| TokenSuccessor { caller, nonce }))
}
