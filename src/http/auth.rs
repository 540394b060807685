//! `/auth`: signing in, refreshing, signing out, another password.

use actix_web::{HttpRequest, HttpResponse, web};
use tidelog_protocol::{ChangePasswordRequest, PutKeyResponse, RefreshRequest, SignInRequest};

use super::address::client_address;
use super::refusal::{RATE_LIMIT, RATE_REMAINING, Refusal};
use super::request::{Json, Open, Signed};
use super::{State, keys};
use crate::auth::{PasswordChange, SignIn};
use crate::error::Fault;
use crate::model::keys::Rewrap;

pub(super) async fn sign_in(
    state: web::Data<State>,
    request: HttpRequest,
    Open(Json(body)): Open<Json<SignInRequest>>,
) -> Result<HttpResponse, Refusal> {
    let remaining = count(&state, &request)?;
    let outcome = state.auth.sign_in(body).await;
    answer(&state, remaining, outcome, Refusal::invalid_credentials)
}

pub(super) async fn refresh(
    state: web::Data<State>,
    request: HttpRequest,
    Open(Json(body)): Open<Json<RefreshRequest>>,
) -> Result<HttpResponse, Refusal> {
    let remaining = count(&state, &request)?;
    let outcome = state.auth.refresh(&body.refresh_token).await;
    answer(&state, remaining, outcome, Refusal::invalid_refresh_token)
}

pub(super) async fn sign_out(
    state: web::Data<State>,
    Signed { caller, .. }: Signed<()>,
) -> Result<HttpResponse, Refusal> {
    state.auth.sign_out(&caller).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn change_password(
    state: web::Data<State>,
    request: HttpRequest,
    Signed { caller, body: Json(body), .. }: Signed<Json<ChangePasswordRequest>>,
) -> Result<HttpResponse, Refusal> {
    let remaining = count(&state, &request)?;
    let ChangePasswordRequest { current_password, new_password, encrypted_key, expected_revision } = body;
    let encrypted_key =
        encrypted_key.as_deref().map(|key| keys::envelope("encrypted_key", key)).transpose()?;
    let rewrap = encrypted_key.map(|encrypted_key| Rewrap { encrypted_key, expected_revision });
    let refusal = match state.auth.change_password(&caller, current_password, new_password, rewrap).await? {
        PasswordChange::Done(key) => {
            return Ok(HttpResponse::Ok()
                .insert_header((RATE_LIMIT, state.attempts.limit()))
                .insert_header((RATE_REMAINING, remaining))
                .json(PutKeyResponse { key_version: key.key_version, revision: key.revision }));
        }
        PasswordChange::Refused => Refusal::wrong_password(),
        PasswordChange::RotationInProgress => Refusal::rotation_in_progress(),
        PasswordChange::Unacceptable(reason) => Refusal::invalid_field("new_password", reason),
        PasswordChange::KeyConflict(key) => {
            Refusal::key_version_conflict(key.key_version, Some(key.revision))
        }
    };
    Err(refusal.with_rate(state.attempts.limit(), remaining))
}

/// Counts one attempt of the address that the request comes from.
pub(super) fn count(state: &State, request: &HttpRequest) -> Result<u32, Refusal> {
    state.attempts.count(client_address(request)).map_err(Refusal::rate_limited)
}

fn answer(
    state: &State,
    remaining: u32,
    outcome: Result<SignIn, Fault>,
    refusal: fn() -> Refusal,
) -> Result<HttpResponse, Refusal> {
    let limit = state.attempts.limit();
    match outcome? {
        SignIn::Done(pair) => Ok(HttpResponse::Ok()
            .insert_header((RATE_LIMIT, limit))
            .insert_header((RATE_REMAINING, remaining))
            .json(pair)),
        SignIn::TwoFactorRequired => Err(Refusal::two_factor_required().with_rate(limit, remaining)),
        SignIn::Refused => Err(refusal().with_rate(limit, remaining)),
    }
}
