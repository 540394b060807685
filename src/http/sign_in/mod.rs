//! How a person signs in in a browser: password, then a second factor if the account has one. What comes next depends on why they
//! are here: consent for an app, or their account.

pub(super) mod forgot;
pub(super) mod log_in;
pub(super) mod second_factor;

use actix_web::HttpResponse;

use super::State;
use super::pages::browser::visitor_cookie;
use super::pages::form::stale;
use super::pages::{Brand, PageError, see_other};
use crate::auth::flow::{FlowState, VerifiedUser};
use crate::auth::secrets::hash_secret;
use crate::model::actors::Actor;
use crate::model::authorization::{AuthorizationRequest, OAuthClient};
use crate::store::Account;

/// The app that a request is by, if it still has that key.
pub(super) async fn client_of(
    state: &State,
    request: &AuthorizationRequest,
) -> Result<OAuthClient, PageError> {
    let client = state.store.find_oauth_client(hash_secret(&request.client_id)).await?;
    client.ok_or_else(|| stale(state, None))
}

/// How the pages of this sign-in look.
pub(super) async fn brand_of(
    state: &State,
    request: Option<&AuthorizationRequest>,
) -> Result<Brand, PageError> {
    Ok(match request {
        Some(request) => Brand::of_client(&state.site, &client_of(state, request).await?),
        None => Brand::own(),
    })
}

/// The account of somebody whose password was right on an earlier page.
pub(super) async fn account_of(
    state: &State,
    person: &VerifiedUser,
    step: &FlowState,
) -> Result<Account, PageError> {
    state.auth.account(person).await?.ok_or_else(|| stale(state, step.request()))
}

/// Where somebody goes who is in.
pub(super) async fn go_on(
    state: &State,
    actor: Actor,
    request: Option<AuthorizationRequest>,
    person: VerifiedUser,
    account: &Account,
    browser: &str,
) -> Result<HttpResponse, PageError> {
    if let Some(request) = request {
        let step = state.auth.sign_flow(FlowState::Consent(request, person), browser)?;
        return Ok(see_other(&state.site.path(&format!("/oauth/consent?step={step}"))));
    }
    let Some(secret) = state.auth.begin_account_session(actor, account).await? else {
        return Err(stale(state, None));
    };
    let mut response = see_other(&state.site.path("/account"));
    response.add_cookie(&visitor_cookie(&state.site, Some(secret))).map_err(crate::error::Fault::internal)?;
    Ok(response)
}
