//! A person's own account: pages, and the same for programs under `/api/account`.
//!
//! Neither reaches anything of an app but to end it, and neither takes the other's proof: pages know a cookie, programs a token.

pub(super) mod access;
pub(super) mod api;
pub(super) mod deletion;
pub(super) mod overview;
pub(super) mod password;
pub(super) mod two_factor;

use actix_web::HttpRequest;

use super::State;
use super::pages::browser::{self, Browser};
use super::pages::form::{Form, stale};
use super::pages::{PageError, see_other};
use crate::auth::flow::FlowState;
use crate::store::AccountSession;

/// Whoever is signed in to their account in this browser.
pub(super) async fn visitor(state: &State, http: &HttpRequest) -> Result<Option<AccountSession>, PageError> {
    match browser::visitor(http, &state.site) {
        Some(secret) => Ok(state.auth.account_session_by_cookie(&secret).await?),
        None => Ok(None),
    }
}

/// Whoever has sent a form of their account.
pub(super) async fn sender(
    state: &State,
    http: &HttpRequest,
    form: &Form,
) -> Result<AccountSession, PageError> {
    if form.step != FlowState::Form {
        return Err(stale(state, form.step.request()));
    }
    visitor(state, http).await?.ok_or_else(|| stale(state, None))
}

/// The token that the forms of an account carry.
pub(super) fn form_token(state: &State, browser: &Browser) -> Result<String, PageError> {
    Ok(state.auth.sign_flow(FlowState::Form, &browser.id)?)
}

/// Back to the account, which says what was done.
pub(super) fn done(state: &State, what: &str) -> actix_web::HttpResponse {
    see_other(&state.site.path(&format!("/account?done={what}")))
}
