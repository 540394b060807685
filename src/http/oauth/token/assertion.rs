//! The grant of another system's JWT (RFC 7523): its user is let in as ours.

use tidelog_protocol::{TokenPair, TokenRequest};

use super::super::error::OAuthErrorResponse;
use super::need;
use crate::auth::AssertionOutcome;
use crate::http::State;
use crate::model::actors::Actor;

pub(super) async fn exchange(
    state: &State,
    actor: Actor,
    request: &TokenRequest,
) -> Result<TokenPair, OAuthErrorResponse> {
    let assertion = need("assertion", request.assertion.as_ref())?;
    let client_id = need("client_id", request.client_id.as_ref())?;
    match state.auth.exchange_assertion(actor, client_id, assertion).await? {
        AssertionOutcome::SignedIn(pair) => Ok(pair),
        AssertionOutcome::UnknownApp => Err(OAuthErrorResponse::invalid_client()),
        AssertionOutcome::Refused(reason) => Err(OAuthErrorResponse::invalid_grant(&reason)),
    }
}
