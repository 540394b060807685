//! The JWT bearer grant (RFC 7523): signing in a user for whom an issuer vouches.

use tidelog_protocol::{TokenPair, TokenRequest};

use super::super::error::OAuthErrorResponse;
use super::request::require;
use crate::auth::AssertionOutcome;
use crate::http::State;
use crate::model::actors::Actor;

pub(super) async fn exchange(
    state: &State,
    actor: Actor,
    request: &TokenRequest,
) -> Result<TokenPair, OAuthErrorResponse> {
    let assertion = require("assertion", request.assertion.as_ref())?;
    let client_id = require("client_id", request.client_id.as_ref())?;
    match state.auth.exchange_assertion(actor, client_id, assertion).await? {
        AssertionOutcome::SignedIn(pair) => Ok(pair),
        AssertionOutcome::UnknownApp => Err(OAuthErrorResponse::invalid_client()),
        AssertionOutcome::Refused(reason) => Err(OAuthErrorResponse::invalid_grant(&reason)),
    }
}
