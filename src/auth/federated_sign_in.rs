//! Signing in users of other systems: by an assertion of an issuer that the app trusts, or by the app's own backend.

use tidelog_protocol::TokenPair;
use uuid::Uuid;

use super::Auth;
use super::issuers::AssertionError;
use super::secrets::{first_refresh_token, hash_secret};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::personal_access_tokens::PersonalAccessToken;
use crate::store::{IdentityProof, NewFederatedSession};

/// The outcome of exchanging an assertion.
pub enum AssertionOutcome {
    /// A session has begun.
    SignedIn(TokenPair),
    /// No app has this API key.
    UnknownApp,
    /// The assertion was refused, for this reason: it is meant for whoever connects the issuer.
    Refused(String),
}

impl Auth {
    /// Exchanges an assertion of an issuer that the app with this API key trusts. The user is created at the first
    /// sign-in.
    pub async fn exchange_assertion(
        &self,
        actor: Actor,
        api_key: &str,
        assertion: &str,
    ) -> Result<AssertionOutcome, Fault> {
        let api_key_hash = hash_secret(api_key);
        if self.store.find_oauth_client(api_key_hash).await?.is_none() {
            return Ok(AssertionOutcome::UnknownApp);
        }
        let (issuer, subject) = match self.issuers.verify(api_key_hash, assertion).await {
            Ok(verified) => verified,
            Err(AssertionError::Invalid(fault)) => return Ok(AssertionOutcome::Refused(fault.to_string())),
            Err(AssertionError::Fault(fault)) => return Err(fault),
        };
        let proof = IdentityProof::Assertion { issuer: issuer.row, api_key_hash };
        Ok(match self.begin_federated_session(actor, proof, subject).await? {
            Some(pair) => AssertionOutcome::SignedIn(pair),
            None => AssertionOutcome::Refused("this user may not sign in".into()),
        })
    }

    /// Signs in the user to whom the app's backend has given this id, and creates the user at the first sign-in.
    /// `None`: the user is disabled, or the token was revoked.
    pub async fn sign_in_for_backend(
        &self,
        actor: Actor,
        token: &PersonalAccessToken,
        app: Uuid,
        external_id: String,
    ) -> Result<Option<TokenPair>, Fault> {
        self.begin_federated_session(actor, IdentityProof::Backend { app, token: token.id }, external_id)
            .await
    }

    async fn begin_federated_session(
        &self,
        actor: Actor,
        proof: IdentityProof,
        subject: String,
    ) -> Result<Option<TokenPair>, Fault> {
        let refresh_token = first_refresh_token()?;
        let new = NewFederatedSession {
            proof,
            subject,
            new_user: Uuid::now_v7(),
            id: Uuid::now_v7(),
            refresh_hash: hash_secret(&refresh_token),
            expires_at: self.session_expiry(),
        };
        match self.store.begin_federated_session(actor, new).await? {
            Some(caller) => self.token_pair(&caller, refresh_token).map(Some),
            None => Ok(None),
        }
    }
}
