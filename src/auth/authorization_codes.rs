//! OAuth authorization codes with PKCE (RFC 6749, RFC 7636): issued after consent, exchanged for a session.

use sha2::{Digest, Sha256};
use tidelog_protocol::TokenPair;
use uuid::Uuid;

use super::Auth;
use super::secrets::{first_refresh_token, hash_secret, new_secret};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::authorization::{AuthorizationRequest, CODE_LIFETIME_US};
use crate::store::{Account, CodeExchange, NewAuthorizationCode};

const PREFIX: &str = "tlc_";

/// A code that a client presents, and the proofs that go with it. No `Debug`: it holds secrets.
pub struct AuthorizationCodeGrant<'a> {
    /// The code.
    pub code: &'a str,
    /// The app's API key.
    pub client_id: &'a str,
    /// Where the client says that the code was sent.
    pub redirect_uri: &'a str,
    /// The secret whose hash is the code challenge.
    pub code_verifier: &'a str,
}

/// Whether a text can be a code verifier (RFC 7636, 4.1).
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
}

impl Auth {
    /// Issues a code to an app to which a user has consented. `None`: the account's password or the app's key has
    /// changed.
    pub async fn issue_code(
        &self,
        account: &Account,
        app: Uuid,
        request: &AuthorizationRequest,
    ) -> Result<Option<String>, Fault> {
        let code = new_secret(PREFIX)?;
        let new = NewAuthorizationCode {
            hash: hash_secret(&code),
            app,
            api_key_hash: hash_secret(&request.client_id),
            user: account.row,
            password_hash: account.password_hash.clone(),
            redirect_uri: request.redirect_uri.clone(),
            code_challenge: request.challenge().unwrap_or_default(),
            expires_at: self.clock.now_us() + CODE_LIFETIME_US,
        };
        Ok(self.store.issue_code(new).await?.then_some(code))
    }

    /// Exchanges a code for a session. `None`: the client may not exchange it, or no longer.
    pub async fn exchange_code(
        &self,
        actor: Actor,
        grant: AuthorizationCodeGrant<'_>,
    ) -> Result<Option<TokenPair>, Fault> {
        if !is_verifier(grant.code_verifier) {
            return Ok(None);
        }
        let refresh_token = first_refresh_token()?;
        let exchange = CodeExchange {
            hash: hash_secret(grant.code),
            api_key_hash: hash_secret(grant.client_id),
            redirect_uri: grant.redirect_uri.into(),
            code_challenge: Sha256::digest(grant.code_verifier).into(),
            session: Uuid::now_v7(),
            refresh_hash: hash_secret(&refresh_token),
            session_expires_at: self.session_expiry(),
        };
        match self.store.exchange_code(actor, exchange).await? {
            Some(caller) => self.token_pair(&caller, refresh_token).map(Some),
            None => Ok(None),
        }
    }
}
