//! Signing in by the word of another system: of an issuer that the app trusts, or of the app's own backend.

use std::sync::Arc;

use tidelog_protocol::TokenPair;
use uuid::Uuid;

use super::{Auth, SignIn};
use crate::auth::access_tokens::AccessTokenBearer;
use crate::auth::issuers::Unconvincing;
use crate::auth::secrets::{first_refresh_token, hash_secret, random_256};
use crate::error::Fault;
use crate::model::access_tokens::AccessToken;
use crate::model::actors::Actor;
use crate::store::{VouchedSession, Voucher};

/// What came of an assertion.
pub enum Exchanged {
    /// The caller is in.
    Done(TokenPair),
    /// There is no app with that key.
    UnknownApp,
    /// The assertion lets nobody in; for the person who connects the issuer.
    Refused(String),
}

impl Auth {
    /// Exchanges the JWT of an issuer that the app with this key trusts for a token pair. The user is made when first seen.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn exchange_assertion(
        &self,
        actor: Actor,
        api_key: &str,
        assertion: &str,
    ) -> Result<Exchanged, Fault> {
        let api_key_hash = hash_secret(api_key);
        if self.store.find_client(api_key_hash).await?.is_none() {
            return Ok(Exchanged::UnknownApp);
        }
        let (issuer, subject) = match self.issuers.judge(api_key_hash, assertion).await {
            Ok(judged) => judged,
            Err(Unconvincing::Assertion(fault)) => return Ok(Exchanged::Refused(fault.to_string())),
            Err(Unconvincing::Fault(fault)) => return Err(fault),
        };
        let voucher = Voucher::Issuer { row: issuer.row, api_key_hash };
        Ok(match self.begin_vouched(actor, voucher, subject).await? {
            SignIn::Done(pair) => Exchanged::Done(pair),
            SignIn::Refused | SignIn::TwoFactorRequired => {
                Exchanged::Refused("this user may not sign in".into())
            }
        })
    }

    /// A token pair for whom the app's backend calls by this id. The user is made when first seen.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn sign_in_for_backend(
        &self,
        actor: Actor,
        token: &AccessToken,
        app: Uuid,
        external_id: String,
    ) -> Result<SignIn, Fault> {
        self.begin_vouched(actor, Voucher::Backend { app, token: token.id }, external_id).await
    }

    /// Who sent this `Authorization` header, if it is that of an access token in force.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn access_token(&self, authorization: &str) -> Result<Option<Arc<AccessToken>>, Fault> {
        let Some(bearer) = AccessTokenBearer::of(authorization) else { return Ok(None) };
        Ok(self.store.use_access_token(bearer.hash()).await?.map(Arc::new))
    }

    async fn begin_vouched(&self, actor: Actor, voucher: Voucher, subject: String) -> Result<SignIn, Fault> {
        let refresh_token = first_refresh_token(&random_256()?);
        let new = VouchedSession {
            voucher,
            subject,
            new_user: Uuid::now_v7(),
            id: Uuid::now_v7(),
            refresh_hash: hash_secret(&refresh_token),
            expires_at: self.session_end(),
        };
        match self.store.begin_vouched_session(actor, new).await? {
            Some(caller) => self.pair(&caller, refresh_token).map(SignIn::Done),
            None => Ok(SignIn::Refused),
        }
    }
}
