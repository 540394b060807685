//! Signing in on pages: email and password, then a code if the account has two-factor authentication. What follows is
//! the consent page of an app, or the user's account.

pub(super) mod credentials;
pub(super) mod forgot_password;
pub(super) mod two_factor;

use actix_web::HttpRequest;

use super::State;
use super::pages::browser::account_cookie;
use super::pages::form::{FLOW, Form, expired_page};
use super::pages::{Brand, PageError, PageResult, see_other};
use crate::auth::flow::{FlowState, VerifiedUser};
use crate::auth::secrets::hash_secret;
use crate::error::Fault;
use crate::model::authorization::{AuthorizationRequest, OAuthClient};
use crate::model::redirects;
use crate::store::Account;

/// The app that a request is from, unless its API key was replaced.
pub(super) async fn client_of(
    state: &State,
    request: &AuthorizationRequest,
) -> Result<OAuthClient, PageError> {
    let client = state.store.find_oauth_client(hash_secret(&request.client_id)).await?;
    client.ok_or_else(|| expired_page(state, None))
}

/// The brand of the pages of a sign-in.
async fn brand_of(state: &State, request: Option<&AuthorizationRequest>) -> Result<Brand, PageError> {
    Ok(match request {
        Some(request) => Brand::of_client(&state.site, &client_of(state, request).await?),
        None => Brand::server(),
    })
}

/// The account of a user who was verified on an earlier page, unless its credentials changed since then.
pub(super) async fn verified_account(
    state: &State,
    user: &VerifiedUser,
    request: Option<&AuthorizationRequest>,
) -> Result<Account, PageError> {
    state.auth.account(user).await?.ok_or_else(|| expired_page(state, request))
}

/// The URL that takes the browser back to an app without access.
pub(super) fn denial_url(state: &State, http: &HttpRequest, request: &AuthorizationRequest) -> String {
    let issuer = state.site.url(http, "");
    let parameters = [("error", "access_denied"), ("state", &request.state), ("iss", &issuer)];
    redirects::with_parameters(&request.redirect_uri, &parameters)
}

/// Continues after the last factor: with the consent page of an app, or with the account.
async fn finish(form: &Form, request: Option<AuthorizationRequest>, account: &Account) -> PageResult {
    let state = &form.state;
    if let Some(request) = request {
        let flow = FlowState::Consent(request, VerifiedUser::of(account));
        let token = state.auth.sign_flow(flow, &form.browser_id)?;
        return Ok(see_other(&state.site.path(&format!("/oauth/consent?{FLOW}={token}"))));
    }
    let Some(secret) = state.auth.begin_account_session(form.actor(), account).await? else {
        return Err(expired_page(state, None));
    };
    let mut response = see_other(&state.site.path("/account"));
    response.add_cookie(&account_cookie(&state.site, secret)).map_err(Fault::internal)?;
    Ok(response)
}
