//! `/auth`: signing in, refreshing, signing out, changing the password.

use actix_web::{HttpRequest, HttpResponse, web};
use tidelog_protocol::{ChangePasswordRequest, PutKeyResponse, RefreshRequest, SignInRequest, TokenPair};

use super::api_error::{ApiError, RATE_LIMIT, RATE_REMAINING};
use super::client_ip::{actor, client_ip};
use super::request::{Json, PublicRequest, SessionRequest};
use super::{State, keys};
use crate::auth::attempts::AttemptPermit;
use crate::auth::{ChangePasswordOutcome, SignInOutcome};
use crate::model::actors::Actor;
use crate::model::keys::Rewrap;

/// Signs in with email, password and API key.
///
/// Statuses: 200, 401 `invalid_credentials`, 403 `two_factor_required`, 422 `invalid_field`, 429 `rate_limited`.
pub(super) async fn sign_in(
    state: web::Data<State>,
    request: HttpRequest,
    PublicRequest(Json(body)): PublicRequest<Json<SignInRequest>>,
) -> Result<HttpResponse, ApiError> {
    let permit = begin(&state, &request, &body.email).await?;
    let (limit, remaining) = (permit.limit(), permit.remaining());
    let error = match state.auth.sign_in(actor(&request), body).await? {
        SignInOutcome::SignedIn(pair) => {
            permit.succeeded();
            return Ok(signed_in(limit, remaining, &pair));
        }
        SignInOutcome::TwoFactorRequired => {
            permit.passed();
            ApiError::two_factor_required()
        }
        SignInOutcome::Refused => {
            permit.failed();
            ApiError::invalid_credentials()
        }
    };
    Err(error.with_rate(limit, remaining))
}

/// Exchanges a refresh token for new tokens.
///
/// Statuses: 200, 401 `unauthenticated`, 422 `invalid_field`, 429 `rate_limited`.
pub(super) async fn refresh(
    state: web::Data<State>,
    request: HttpRequest,
    PublicRequest(Json(body)): PublicRequest<Json<RefreshRequest>>,
) -> Result<HttpResponse, ApiError> {
    let (limit, remaining) = (state.attempts.limit(), count(&state, &request)?);
    match state.auth.refresh(actor(&request), &body.refresh_token).await? {
        Some(pair) => Ok(signed_in(limit, remaining, &pair)),
        None => Err(ApiError::invalid_refresh_token().with_rate(limit, remaining)),
    }
}

fn signed_in(limit: u32, remaining: u32, pair: &TokenPair) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((RATE_LIMIT, limit))
        .insert_header((RATE_REMAINING, remaining))
        .json(pair)
}

/// Ends the session.
///
/// Statuses: 204, 401 `unauthenticated`.
pub(super) async fn sign_out(
    state: web::Data<State>,
    actor: Actor,
    SessionRequest { caller, .. }: SessionRequest<()>,
) -> Result<HttpResponse, ApiError> {
    state.auth.sign_out(actor, &caller).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Changes the account's password and, if the request has one, the app's key envelope, in one step.
///
/// Statuses: 200, 401 `invalid_credentials` or `unauthenticated`, 403 `two_factor_required`, 409
/// `key_version_conflict` or `rotation_in_progress`, 422 `invalid_field`, 429 `rate_limited`.
pub(super) async fn change_password(
    state: web::Data<State>,
    request: HttpRequest,
    SessionRequest { caller, body: Json(body), .. }: SessionRequest<Json<ChangePasswordRequest>>,
) -> Result<HttpResponse, ApiError> {
    // Attempts here and on the sign-in page count together.
    let account = state.store.account_of_user(caller.user).await?;
    let account = account.map_or_else(|| caller.user.to_string(), |account| account.email);
    // Both passwords of the request are verified against the account's.
    let permit = state.attempts.begin_guesses(&account, client_ip(&request), 2).await;
    let permit = permit.map_err(ApiError::rate_limited)?;
    let (limit, remaining) = (permit.limit(), permit.remaining());
    let ChangePasswordRequest { current_password, new_password, encrypted_key, expected_revision, code } =
        body;
    let code_permit = match &code {
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
        ChangePasswordOutcome::Refused => permit.failed(),
        _ => permit.passed(),
    }
    // A code that was not checked does not count as an attempt.
    match (code_permit, &outcome) {
        (Some(permit), ChangePasswordOutcome::WrongCode) => permit.failed(),
        (Some(permit), ChangePasswordOutcome::Done(_)) => permit.passed(),
        _ => {}
    }
    let error = match outcome {
        ChangePasswordOutcome::Done(key) => {
            return Ok(HttpResponse::Ok()
                .insert_header((RATE_LIMIT, limit))
                .insert_header((RATE_REMAINING, remaining))
                .json(PutKeyResponse { key_version: key.key_version, revision: key.revision }));
        }
        ChangePasswordOutcome::Refused => ApiError::wrong_password(),
        ChangePasswordOutcome::TwoFactorRequired => ApiError::code_required(),
        ChangePasswordOutcome::WrongCode => ApiError::wrong_code(),
        ChangePasswordOutcome::RotationInProgress => ApiError::rotation_in_progress(),
        ChangePasswordOutcome::Unacceptable(reason) => ApiError::invalid_field("new_password", reason),
        ChangePasswordOutcome::KeyConflict(key) => {
            ApiError::key_version_conflict(key.key_version, Some(key.revision))
        }
    };
    Err(error.with_rate(limit, remaining))
}

/// Counts an attempt that concerns no account. Returns how many more the client IP has right now.
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
