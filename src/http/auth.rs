//! `/auth`: signing in, refreshing, signing out, another password.

use actix_web::{HttpRequest, HttpResponse, web};
use tidelog_protocol::{ChangePasswordRequest, PutKeyResponse, RefreshRequest, SignInRequest};

use super::api_error::{ApiError, RATE_LIMIT, RATE_REMAINING};
use super::client_ip::{actor, client_ip};
use super::request::{Json, Open, Signed};
use super::{State, keys};
use crate::auth::attempts::AttemptPermit;
use crate::auth::{PasswordChange, SignIn};
use crate::model::actors::Actor;
use crate::model::keys::Rewrap;

pub(super) async fn sign_in(
    state: web::Data<State>,
    request: HttpRequest,
    Open(Json(body)): Open<Json<SignInRequest>>,
) -> Result<HttpResponse, ApiError> {
    let turn = begin(&state, &request, &body.email).await?;
    let rate = (turn.limit(), turn.remaining());
    let outcome = state.auth.sign_in(actor(&request), body).await?;
    match outcome {
        SignIn::Done(_) => turn.succeeded(),
        SignIn::TwoFactorRequired => turn.passed(),
        SignIn::Refused => turn.failed(),
    }
    answer(rate, outcome, ApiError::invalid_credentials)
}

pub(super) async fn refresh(
    state: web::Data<State>,
    request: HttpRequest,
    Open(Json(body)): Open<Json<RefreshRequest>>,
) -> Result<HttpResponse, ApiError> {
    let remaining = state.attempts.count(client_ip(&request)).map_err(ApiError::rate_limited)?;
    let outcome = state.auth.refresh(actor(&request), &body.refresh_token).await?;
    answer((state.attempts.limit(), remaining), outcome, ApiError::invalid_refresh_token)
}

pub(super) async fn sign_out(
    state: web::Data<State>,
    actor: Actor,
    Signed { caller, .. }: Signed<()>,
) -> Result<HttpResponse, ApiError> {
    state.auth.sign_out(actor, &caller).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn change_password(
    state: web::Data<State>,
    request: HttpRequest,
    Signed { caller, body: Json(body), .. }: Signed<Json<ChangePasswordRequest>>,
) -> Result<HttpResponse, ApiError> {
    // Counted with those at the log-in page.
    let account = state.store.account_of_user(caller.user).await?;
    let account = account.map_or_else(|| caller.user.to_string(), |account| account.email);
    // Both passwords of the request are held against the account's.
    let turn = state.attempts.begin_guesses(&account, client_ip(&request), 2).await;
    let turn = turn.map_err(ApiError::rate_limited)?;
    let (limit, remaining) = (turn.limit(), turn.remaining());
    let ChangePasswordRequest { current_password, new_password, encrypted_key, expected_revision, code } =
        body;
    let code_turn = match &code {
        Some(_) => Some(begin_second_factor(&state, &request, &account).await?),
        None => None,
    };
    let encrypted_key =
        encrypted_key.as_deref().map(|key| keys::envelope("encrypted_key", key)).transpose()?;
    let rewrap = encrypted_key.map(|encrypted_key| Rewrap { encrypted_key, expected_revision });
    let code = code.as_deref();
    let (auth, actor) = (&state.auth, actor(&request));
    let outcome = auth.change_password(actor, &caller, current_password, new_password, rewrap, code).await?;
    match outcome {
        PasswordChange::Refused => turn.failed(),
        _ => turn.passed(),
    }
    // A code that was not looked at was no attempt.
    match (code_turn, &outcome) {
        (Some(turn), PasswordChange::WrongCode) => turn.failed(),
        (Some(turn), PasswordChange::Done(_)) => turn.passed(),
        _ => {}
    }
    let error = match outcome {
        PasswordChange::Done(key) => {
            return Ok(HttpResponse::Ok()
                .insert_header((RATE_LIMIT, limit))
                .insert_header((RATE_REMAINING, remaining))
                .json(PutKeyResponse { key_version: key.key_version, revision: key.revision }));
        }
        PasswordChange::Refused => ApiError::wrong_password(),
        PasswordChange::TwoFactorRequired => ApiError::code_required(),
        PasswordChange::WrongCode => ApiError::wrong_code(),
        PasswordChange::RotationInProgress => ApiError::rotation_in_progress(),
        PasswordChange::Unacceptable(reason) => ApiError::invalid_field("new_password", reason),
        PasswordChange::KeyConflict(key) => {
            ApiError::key_version_conflict(key.key_version, Some(key.revision))
        }
    };
    Err(error.with_rate(limit, remaining))
}

/// Counts one attempt of the address that a request comes from, at what belongs to no account.
pub(super) fn count(state: &State, request: &HttpRequest) -> Result<u32, ApiError> {
    state.attempts.count(client_ip(request)).map_err(ApiError::rate_limited)
}

/// Begins an attempt at the password of an account.
pub(super) async fn begin(
    state: &State,
    request: &HttpRequest,
    account: &str,
) -> Result<AttemptPermit, ApiError> {
    state.attempts.begin(account, client_ip(request)).await.map_err(ApiError::rate_limited)
}

/// Begins an attempt at the second factor of an account.
pub(super) async fn begin_second_factor(
    state: &State,
    request: &HttpRequest,
    account: &str,
) -> Result<AttemptPermit, ApiError> {
    state.attempts.begin_second_factor(account, client_ip(request)).await.map_err(ApiError::rate_limited)
}

/// With how many attempts there are at once, and how many are left.
fn answer(
    (limit, remaining): (u32, u32),
    outcome: SignIn,
    error: fn() -> ApiError,
) -> Result<HttpResponse, ApiError> {
    match outcome {
        SignIn::Done(pair) => Ok(HttpResponse::Ok()
            .insert_header((RATE_LIMIT, limit))
            .insert_header((RATE_REMAINING, remaining))
            .json(pair)),
        SignIn::TwoFactorRequired => Err(ApiError::two_factor_required().with_rate(limit, remaining)),
        SignIn::Refused => Err(error().with_rate(limit, remaining)),
    }
}
