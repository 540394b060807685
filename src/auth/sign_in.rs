//! A user who signs in in a browser, to let an app in or to look after their account: password, second factor, consent.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use tidelog_protocol::TokenPair;
use uuid::Uuid;

use super::Auth;
use super::flow::{FlowState, FlowToken, VerifiedUser};
use super::second_factor;
use super::secrets::{first_refresh_token, hash_secret, new_secret, random_256};
use crate::error::Fault;
use crate::model::accounts::ACCOUNT_SESSION_US;
use crate::model::actors::Actor;
use crate::model::authorization::{AuthorizationRequest, CODE_LIVES_US};
use crate::model::users::normalize_email;
use crate::store::{Account, AccountSession, Exchange, NewAccountSession, NewCode, PresentedCode};

/// What authorization codes start with, so that scanners and people recognise one.
const CODE_PREFIX: &str = "tlc_";
/// What cookies of accounts start with.
const COOKIE_PREFIX: &str = "tlv_";
/// Bytes of an account's tag.
const TAG_BYTES: usize = 16;

/// What came of a password.
pub enum PasswordCheck {
    /// It was right, and nothing else is asked for.
    Done(VerifiedUser),
    /// It was right, and a second factor is asked for.
    SecondFactor(VerifiedUser),
    /// Something about the credentials is wrong; nobody is told what.
    Refused,
}

/// What came of a code that a client presented.
pub enum CodeExchange {
    /// A session has begun.
    Done(TokenPair),
    /// It is no code of this client, or no longer.
    Refused,
}

/// What a client presents. No `Debug`: it holds secrets.
pub struct ClientCode<'a> {
    /// The code.
    pub code: &'a str,
    /// The app's API key.
    pub client_id: &'a str,
    /// Where it says that the code was sent.
    pub redirect_uri: &'a str,
    /// What the challenge is the hash of.
    pub code_verifier: &'a str,
}

/// What an account is, as far as a sign-in depends on it.
fn tag_of(account: &Account) -> String {
    let mut hash = Sha256::new();
    hash.update(account.password_hash.as_bytes());
    hash.update([0]);
    hash.update(account.second_factor.unwrap_or_default());
    BASE64URL_NOPAD.encode(&hash.finalize()[..TAG_BYTES])
}

/// Whether a text can be a PKCE verifier (RFC 7636, 4.1).
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
}

impl Auth {
    /// Checks a password. Whatever is wrong, the same work is done first.
    ///
    /// # Errors
    /// A fault of the database, or too many sign-ins at once.
    pub async fn check_password(&self, email: &str, password: String) -> Result<PasswordCheck, Fault> {
        // An address that is none cannot be that of an account, but must cost as much as one.
        let email = normalize_email(email).unwrap_or_default();
        let account = self.store.find_account(email).await?;
        let stored = account.as_ref().map(|account| account.password_hash.clone());
        let right = self.passwords.verify(password, stored).await?;
        Ok(match account.filter(|account| right && !account.disabled) {
            None => PasswordCheck::Refused,
            Some(account) => {
                let user = VerifiedUser { user: account.id, tag: tag_of(&account) };
                match account.second_factor {
                    None => PasswordCheck::Done(user),
                    Some(_) => PasswordCheck::SecondFactor(user),
                }
            }
        })
    }

    /// The account of somebody whose password was right a moment ago, if it is still the same.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn account(&self, user: &VerifiedUser) -> Result<Option<Account>, Fault> {
        let account = self.store.account_of_user(user.user).await?;
        Ok(account.filter(|account| !account.disabled && tag_of(account) == user.tag))
    }

    /// Takes a code by time, or a recovery code, as the second factor of an account.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn take_second_factor(
        &self,
        actor: Actor,
        account: &Account,
        code: &str,
    ) -> Result<bool, Fault> {
        let Some(secret) = account.second_factor else { return Ok(false) };
        let shown = second_factor::read(code, &secret, self.clock.now_seconds());
        self.store.take_second_factor(actor, account.row, shown).await
    }

    /// Gives out a code to an app that somebody has consented to. `None`: the account, or the app's key, has changed.
    ///
    /// # Errors
    /// A fault of the database, or no randomness.
    pub async fn give_code(
        &self,
        account: &Account,
        app: Uuid,
        request: &AuthorizationRequest,
    ) -> Result<Option<String>, Fault> {
        let code = new_secret(CODE_PREFIX)?;
        let new = NewCode {
            hash: hash_secret(&code),
            app,
            api_key_hash: hash_secret(&request.client_id),
            user: account.row,
            password_hash: account.password_hash.clone(),
            redirect_uri: request.redirect_uri.clone(),
            code_challenge: request.challenge().unwrap_or_default(),
            expires_at: self.clock.now_us() + CODE_LIVES_US,
        };
        Ok(self.store.give_code(new).await?.then_some(code))
    }

    /// Exchanges a code for a session.
    ///
    /// # Errors
    /// A fault of the database, or no randomness.
    pub async fn exchange_code(
        &self,
        actor: Actor,
        presented: ClientCode<'_>,
    ) -> Result<CodeExchange, Fault> {
        if !is_verifier(presented.code_verifier) {
            return Ok(CodeExchange::Refused);
        }
        let refresh_token = first_refresh_token(&random_256()?);
        let exchange = PresentedCode {
            hash: hash_secret(presented.code),
            api_key_hash: hash_secret(presented.client_id),
            redirect_uri: presented.redirect_uri.into(),
            code_challenge: Sha256::digest(presented.code_verifier).into(),
            session: Uuid::now_v7(),
            refresh_hash: hash_secret(&refresh_token),
            session_expires_at: self.session_end(),
        };
        match self.store.exchange_code(actor, exchange).await? {
            Exchange::Begun(caller) => self.pair(&caller, refresh_token).map(CodeExchange::Done),
            Exchange::Refused | Exchange::Replayed => Ok(CodeExchange::Refused),
        }
    }

    /// Lets somebody in to their account for a quarter of an hour. The text is the secret of the cookie. `None`: the account has
    /// changed.
    ///
    /// # Errors
    /// A fault of the database, or no randomness.
    pub async fn open_account(
        &self,
        actor: Actor,
        account: &Account,
    ) -> Result<Option<(AccountSession, String)>, Fault> {
        let cookie = new_secret(COOKIE_PREFIX)?;
        let visitor = self.begin_account_session(actor, account, Some(hash_secret(&cookie))).await?;
        Ok(visitor.map(|visitor| (visitor, cookie)))
    }

    /// The same for a program: the text is a token for the account's routes. The number is its end in seconds since 1970.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn account_token(
        &self,
        actor: Actor,
        account: &Account,
    ) -> Result<Option<(String, i64)>, Fault> {
        match self.begin_account_session(actor, account, None).await? {
            Some(visitor) => self.keys.now().tokens.sign_account(&visitor).map(Some),
            None => Ok(None),
        }
    }

    async fn begin_account_session(
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

    /// Who has this cookie of an account.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn account_session_by_cookie(&self, cookie: &str) -> Result<Option<AccountSession>, Fault> {
        self.store.account_session_by_cookie(hash_secret(cookie)).await
    }

    /// Who sent this `Authorization` header, if it holds a token for the routes of accounts.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn account_session(&self, authorization: &str) -> Result<Option<AccountSession>, Fault> {
        let session = super::tokens::bearer(authorization)
            .and_then(|token| self.keys.now().tokens.verify_account(token));
        let Some((session, user)) = session else { return Ok(None) };
        Ok(self.store.account_session_by_id(session).await?.filter(|visitor| visitor.user == user))
    }

    /// The token that stands for a step in the browser that has this cookie.
    ///
    /// # Errors
    /// A fault of the program.
    pub fn sign_flow(&self, state: FlowState, browser: &str) -> Result<String, Fault> {
        self.keys.now().flow.sign(state, browser, self.clock.now_seconds())
    }

    /// What such a token stands for.
    pub fn read_flow(&self, token: &str, browser: &str) -> FlowToken {
        self.keys.now().flow.read(token, browser, self.clock.now_seconds())
    }
}
