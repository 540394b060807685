//! Sign-ins to an account itself: by a cookie in a browser, by a token through the API.

use uuid::Uuid;

use super::Auth;
use super::secrets::{bearer_token, hash_secret, new_secret};
use crate::error::Fault;
use crate::model::accounts::ACCOUNT_SESSION_US;
use crate::model::actors::Actor;
use crate::store::{Account, AccountSession, NewAccountSession};

const COOKIE_PREFIX: &str = "tlv_";

impl Auth {
    /// Begins an account session in a browser. Returns the secret of its cookie. `None`: the account's password has
    /// changed.
    pub async fn begin_account_session(
        &self,
        actor: Actor,
        account: &Account,
    ) -> Result<Option<String>, Fault> {
        let cookie = new_secret(COOKIE_PREFIX)?;
        let session = self.new_account_session(actor, account, Some(hash_secret(&cookie))).await?;
        Ok(session.map(|_| cookie))
    }

    /// Begins an account session through the API. Returns a token, and when it expires, in seconds since 1970.
    /// `None`: the account's password has changed.
    pub async fn account_token(
        &self,
        actor: Actor,
        account: &Account,
    ) -> Result<Option<(String, i64)>, Fault> {
        match self.new_account_session(actor, account, None).await? {
            Some(session) => self.keyring.current().access_tokens.sign_account(&session).map(Some),
            None => Ok(None),
        }
    }

    async fn new_account_session(
        &self,
        actor: Actor,
        account: &Account,
        cookie_hash: Option<[u8; 32]>,
    ) -> Result<Option<AccountSession>, Fault> {
        let new = NewAccountSession {
            id: Uuid::now_v7(),
            user: account.row,
            password_hash: account.password_hash.clone(),
            cookie_hash,
            expires_at: self.clock.now_us() + ACCOUNT_SESSION_US,
        };
        self.store.begin_account_session(actor, new).await
    }

    /// The account session with this cookie, if it is live.
    pub async fn account_session_by_cookie(&self, cookie: &str) -> Result<Option<AccountSession>, Fault> {
        self.store.account_session_by_cookie(hash_secret(cookie)).await
    }

    /// The account session whose token is in this `Authorization` header, if it is live.
    pub async fn account_session(&self, authorization: &str) -> Result<Option<AccountSession>, Fault> {
        let claims = bearer_token(authorization)
            .and_then(|token| self.keyring.current().access_tokens.verify_account(token));
        let Some((session, user)) = claims else { return Ok(None) };
        Ok(self.store.account_session_by_id(session).await?.filter(|session| session.user == user))
    }
}
