//! `/api/account`: managing an account from a program, with a token that password and code were exchanged for. It is
//! valid for 15 minutes.

use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures_util::future::LocalBoxFuture;
use tidelog_protocol::{
    AccountPasswordRequest, AccountResponse, AccountTokenRequest, AccountTokenResponse, DeleteAccountRequest,
    RecoveryCodesResponse, Timestamp, TwoFactorCodeRequest, TwoFactorSetupResponse,
};
use uuid::Uuid;

use crate::auth::attempts::AttemptPermit;
use crate::auth::{PasswordCheck, SetPasswordOutcome};
use crate::clock::MICROS_PER_SECOND;
use crate::error::Fault;
use crate::http::State;
use crate::http::api_error::ApiError;
use crate::http::auth::{begin, begin_second_factor};
use crate::http::client_ip::actor;
use crate::http::export;
use crate::http::request::{self, Input, Json, PublicRequest};
use crate::model::actors::Actor;
use crate::store::AccountSession;

/// A request with the token of an account session.
pub(in crate::http) struct AccountRequest<B> {
    session: AccountSession,
    body: B,
}

impl<B: Input> FromRequest for AccountRequest<B> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(http: &HttpRequest, payload: &mut actix_web::dev::Payload) -> Self::Future {
        let (http, mut payload) = (http.clone(), payload.take());
        Box::pin(async move {
            let header = http.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            let header = header.ok_or_else(ApiError::unauthenticated)?;
            let session = request::state(&http)?.auth.account_session(header).await?;
            let session = session.ok_or_else(ApiError::unauthenticated)?;
            let PublicRequest(body) = PublicRequest::<B>::from_request(&http, &mut payload).await?;
            Ok(Self { session, body })
        })
    }
}

/// Exchanges email, password and (with two-factor authentication) a code for a token.
///
/// Statuses: 200, 401 `invalid_credentials`, 403 `two_factor_required`, 422 `invalid_field`, 429 `rate_limited`.
pub(in crate::http) async fn token(
    state: web::Data<State>,
    http: HttpRequest,
    PublicRequest(Json(body)): PublicRequest<Json<AccountTokenRequest>>,
) -> Result<HttpResponse, ApiError> {
    let attempt = begin(&state, &http, &body.email).await?;
    let account = match state.auth.check_password(&body.email, body.password).await? {
        PasswordCheck::Refused => {
            attempt.failed();
            return Err(ApiError::wrong_credentials());
        }
        PasswordCheck::Done(account) => {
            attempt.succeeded();
            account
        }
        PasswordCheck::SecondFactor(account) => {
            attempt.passed();
            let code = body.code.ok_or_else(ApiError::two_factor_required)?;
            let attempt = begin_second_factor(&state, &http, &account.email).await?;
            if !state.auth.use_second_factor(actor(&http), &account, &code).await? {
                attempt.failed();
                return Err(ApiError::wrong_code());
            }
            attempt.succeeded();
            account
        }
    };
    let token = state.auth.account_token(actor(&http), &account).await?;
    let (token, end) = token.ok_or_else(ApiError::wrong_credentials)?;
    let expires_at = Timestamp::from_micros(end * MICROS_PER_SECOND).map_err(Fault::internal)?;
    Ok(HttpResponse::Ok().json(AccountTokenResponse { token, expires_at }))
}

/// Returns the account.
///
/// Statuses: 200, 401 `unauthenticated`.
pub(in crate::http) async fn show(
    state: web::Data<State>,
    AccountRequest { session, .. }: AccountRequest<()>,
) -> Result<HttpResponse, ApiError> {
    let second_factor = state.store.second_factor_status(session.user_row).await?;
    Ok(HttpResponse::Ok().json(AccountResponse {
        user_id: session.user,
        email: session.email,
        two_factor: second_factor.enabled,
        recovery_codes_left: second_factor.recovery_codes_left,
    }))
}

/// Ends the account session.
///
/// Statuses: 204, 401 `unauthenticated`.
pub(in crate::http) async fn sign_out(
    state: web::Data<State>,
    AccountRequest { session, .. }: AccountRequest<()>,
) -> Result<HttpResponse, ApiError> {
    state.store.end_account_session(session.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Changes the password, which ends all sessions.
///
/// Statuses: 204, 401 `invalid_credentials` or `unauthenticated`, 422 `invalid_field`, 429 `rate_limited`.
pub(in crate::http) async fn password(
    state: web::Data<State>,
    http: HttpRequest,
    AccountRequest { session, body: Json(body) }: AccountRequest<Json<AccountPasswordRequest>>,
) -> Result<HttpResponse, ApiError> {
    let attempt = begin(&state, &http, &session.email).await?;
    match state
        .auth
        .set_account_password(actor(&http), &session, body.current_password, body.new_password)
        .await?
    {
        SetPasswordOutcome::Done => {
            attempt.succeeded();
            Ok(HttpResponse::NoContent().finish())
        }
        SetPasswordOutcome::Refused => {
            attempt.failed();
            Err(ApiError::wrong_password())
        }
        SetPasswordOutcome::Unacceptable(reason) => {
            attempt.passed();
            Err(ApiError::invalid_field("new_password", reason))
        }
    }
}

/// Returns a new secret for an authenticator app. Two-factor authentication is off until `confirm`.
///
/// Statuses: 200, 401 `unauthenticated`, 409 `two_factor_is_on`.
pub(in crate::http) async fn enrol(
    state: web::Data<State>,
    AccountRequest { session, .. }: AccountRequest<()>,
) -> Result<HttpResponse, ApiError> {
    let enrolment = state.auth.enrol_second_factor(&session).await?.ok_or_else(ApiError::two_factor_is_on)?;
    let response = TwoFactorSetupResponse { secret: enrolment.secret, otpauth_url: enrolment.url };
    Ok(HttpResponse::Ok().json(response))
}

/// Turns two-factor authentication on with a first code, and returns the recovery codes.
///
/// Statuses: 200, 401 `invalid_credentials` or `unauthenticated`, 422 `invalid_field`, 429 `rate_limited`.
pub(in crate::http) async fn confirm(
    state: web::Data<State>,
    http: HttpRequest,
    AccountRequest { session, body: Json(body) }: AccountRequest<Json<TwoFactorCodeRequest>>,
) -> Result<HttpResponse, ApiError> {
    let attempt = begin_second_factor(&state, &http, &session.email).await?;
    recovery_codes_response(
        attempt,
        state.auth.confirm_second_factor(actor(&http), &session, &body.code).await?,
    )
}

/// Replaces the recovery codes.
///
/// Statuses: 200, 401 `invalid_credentials` or `unauthenticated`, 422 `invalid_field`, 429 `rate_limited`.
pub(in crate::http) async fn recovery_codes(
    state: web::Data<State>,
    http: HttpRequest,
    AccountRequest { session, body: Json(body) }: AccountRequest<Json<TwoFactorCodeRequest>>,
) -> Result<HttpResponse, ApiError> {
    let attempt = begin_second_factor(&state, &http, &session.email).await?;
    recovery_codes_response(
        attempt,
        state.auth.replace_recovery_codes(actor(&http), &session, &body.code).await?,
    )
}

/// Turns two-factor authentication off.
///
/// Statuses: 204, 401 `invalid_credentials` or `unauthenticated`, 422 `invalid_field`, 429 `rate_limited`.
pub(in crate::http) async fn disable(
    state: web::Data<State>,
    http: HttpRequest,
    AccountRequest { session, body: Json(body) }: AccountRequest<Json<TwoFactorCodeRequest>>,
) -> Result<HttpResponse, ApiError> {
    let attempt = begin_second_factor(&state, &http, &session.email).await?;
    if !state.auth.disable_second_factor(actor(&http), &session, &body.code).await? {
        attempt.failed();
        return Err(ApiError::wrong_code());
    }
    attempt.succeeded();
    Ok(HttpResponse::NoContent().finish())
}

fn recovery_codes_response(
    attempt: AttemptPermit,
    codes: Option<Vec<String>>,
) -> Result<HttpResponse, ApiError> {
    let Some(recovery_codes) = codes else {
        attempt.failed();
        return Err(ApiError::wrong_code());
    };
    attempt.succeeded();
    Ok(HttpResponse::Ok().json(RecoveryCodesResponse { recovery_codes }))
}

/// Streams everything that the account has in all apps, as one archive.
///
/// Statuses: 200, 401 `unauthenticated`.
pub(in crate::http) async fn export(
    state: web::Data<State>,
    http: HttpRequest,
    AccountRequest { session, .. }: AccountRequest<()>,
) -> Result<HttpResponse, ApiError> {
    Ok(export::of_account(state, &http, &session).await?)
}

/// Lists the sessions in all apps.
///
/// Statuses: 200, 401 `unauthenticated`.
pub(in crate::http) async fn sessions(
    state: web::Data<State>,
    AccountRequest { session, .. }: AccountRequest<()>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(state.store.sessions_of_user(session.user_row).await?))
}

/// Ends a session.
///
/// Statuses: 204, 401 `unauthenticated`, 404 `not_found`.
pub(in crate::http) async fn end_session(
    state: web::Data<State>,
    actor: Actor,
    path: web::Path<String>,
    AccountRequest { session, .. }: AccountRequest<()>,
) -> Result<HttpResponse, ApiError> {
    let id = Uuid::parse_str(&path).map_err(|_| ApiError::not_found())?;
    removed(state.store.end_session_of_user(actor, session.user_row, id).await?)
}

/// Lists the devices in all apps.
///
/// Statuses: 200, 401 `unauthenticated`.
pub(in crate::http) async fn devices(
    state: web::Data<State>,
    AccountRequest { session, .. }: AccountRequest<()>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(state.store.devices_of_user(session.user_row).await?))
}

/// Removes a device, and ends its sessions.
///
/// Statuses: 204, 401 `unauthenticated`, 404 `not_found`.
pub(in crate::http) async fn remove_device(
    state: web::Data<State>,
    actor: Actor,
    path: web::Path<String>,
    AccountRequest { session, .. }: AccountRequest<()>,
) -> Result<HttpResponse, ApiError> {
    let id = Uuid::parse_str(&path).map_err(|_| ApiError::not_found())?;
    removed(state.store.remove_device_of_user(actor, session.user_row, id).await?)
}

fn removed(existed: bool) -> Result<HttpResponse, ApiError> {
    if existed { Ok(HttpResponse::NoContent().finish()) } else { Err(ApiError::not_found()) }
}

/// Deletes the account and all its data.
///
/// Statuses: 204, 401 `invalid_credentials` or `unauthenticated`, 422 `invalid_field`, 429 `rate_limited`.
pub(in crate::http) async fn delete(
    state: web::Data<State>,
    http: HttpRequest,
    AccountRequest { session, body: Json(body) }: AccountRequest<Json<DeleteAccountRequest>>,
) -> Result<HttpResponse, ApiError> {
    let attempt = begin(&state, &http, &session.email).await?;
    if !state.auth.delete_account(actor(&http), &session, body.password).await? {
        attempt.failed();
        return Err(ApiError::wrong_password());
    }
    attempt.passed();
    Ok(HttpResponse::NoContent().finish())
}
