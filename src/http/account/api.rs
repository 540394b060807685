//! `/api/account`: the account's pages, for programs. Whoever calls has shown password and second factor within the last quarter
//! of an hour.

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
use crate::http::request::{self, Input, Json, Open};
use crate::model::actors::Actor;
use crate::store::AccountSession;

/// A request with a token for an account.
pub(in crate::http) struct Visiting<B> {
    visitor: AccountSession,
    body: B,
}

impl<B: Input> FromRequest for Visiting<B> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(http: &HttpRequest, payload: &mut actix_web::dev::Payload) -> Self::Future {
        let (http, mut payload) = (http.clone(), payload.take());
        Box::pin(async move {
            let header = http.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            let header = header.ok_or_else(ApiError::unauthenticated)?;
            let visitor = request::state(&http)?.auth.account_session(header).await?;
            let visitor = visitor.ok_or_else(ApiError::unauthenticated)?;
            let Open(body) = Open::<B>::from_request(&http, &mut payload).await?;
            Ok(Self { visitor, body })
        })
    }
}

pub(in crate::http) async fn token(
    state: web::Data<State>,
    http: HttpRequest,
    Open(Json(body)): Open<Json<AccountTokenRequest>>,
) -> Result<HttpResponse, ApiError> {
    let turn = begin(&state, &http, &body.email).await?;
    let (person, needs_code) = match state.auth.check_password(&body.email, body.password).await? {
        PasswordCheck::Refused => {
            turn.failed();
            return Err(ApiError::wrong_credentials());
        }
        PasswordCheck::Done(person) => (person, false),
        PasswordCheck::SecondFactor(person) => (person, true),
    };
    let account = state.auth.account(&person).await?.ok_or_else(ApiError::wrong_credentials)?;
    if needs_code {
        turn.passed();
        let code = body.code.ok_or_else(ApiError::two_factor_required)?;
        let turn = begin_second_factor(&state, &http, &account.email).await?;
        if !state.auth.use_second_factor(actor(&http), &account, &code).await? {
            turn.failed();
            return Err(ApiError::wrong_code());
        }
        turn.succeeded();
    } else {
        turn.succeeded();
    }
    let token = state.auth.account_token(actor(&http), &account).await?;
    let (token, end) = token.ok_or_else(ApiError::wrong_credentials)?;
    let expires_at = Timestamp::from_micros(end * MICROS_PER_SECOND).map_err(Fault::internal)?;
    Ok(HttpResponse::Ok().json(AccountTokenResponse { token, expires_at }))
}

pub(in crate::http) async fn show(
    state: web::Data<State>,
    Visiting { visitor, .. }: Visiting<()>,
) -> Result<HttpResponse, ApiError> {
    let factor = state.store.second_factor_status(visitor.user_row).await?;
    Ok(HttpResponse::Ok().json(AccountResponse {
        user_id: visitor.user,
        email: visitor.email,
        two_factor: factor.enabled,
        recovery_codes_left: factor.recovery_codes_left,
    }))
}

pub(in crate::http) async fn log_out(
    state: web::Data<State>,
    Visiting { visitor, .. }: Visiting<()>,
) -> Result<HttpResponse, ApiError> {
    state.store.end_account_session(visitor.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(in crate::http) async fn password(
    state: web::Data<State>,
    http: HttpRequest,
    Visiting { visitor, body: Json(body) }: Visiting<Json<AccountPasswordRequest>>,
) -> Result<HttpResponse, ApiError> {
    let turn = begin(&state, &http, &visitor.email).await?;
    match state
        .auth
        .set_account_password(actor(&http), &visitor, body.current_password, body.new_password)
        .await?
    {
        SetPasswordOutcome::Done => {
            turn.succeeded();
            Ok(HttpResponse::NoContent().finish())
        }
        SetPasswordOutcome::Refused => {
            turn.failed();
            Err(ApiError::wrong_password())
        }
        SetPasswordOutcome::Unacceptable(reason) => {
            turn.passed();
            Err(ApiError::invalid_field("new_password", reason))
        }
    }
}

pub(in crate::http) async fn enrol(
    state: web::Data<State>,
    Visiting { visitor, .. }: Visiting<()>,
) -> Result<HttpResponse, ApiError> {
    let enrolment = state.auth.enrol_second_factor(&visitor).await?.ok_or_else(ApiError::two_factor_is_on)?;
    let answer = TwoFactorSetupResponse { secret: enrolment.secret, otpauth_url: enrolment.url };
    Ok(HttpResponse::Ok().json(answer))
}

pub(in crate::http) async fn confirm(
    state: web::Data<State>,
    http: HttpRequest,
    Visiting { visitor, body: Json(body) }: Visiting<Json<TwoFactorCodeRequest>>,
) -> Result<HttpResponse, ApiError> {
    let turn = begin_second_factor(&state, &http, &visitor.email).await?;
    codes(turn, state.auth.confirm_second_factor(actor(&http), &visitor, &body.code).await?)
}

pub(in crate::http) async fn recovery_codes(
    state: web::Data<State>,
    http: HttpRequest,
    Visiting { visitor, body: Json(body) }: Visiting<Json<TwoFactorCodeRequest>>,
) -> Result<HttpResponse, ApiError> {
    let turn = begin_second_factor(&state, &http, &visitor.email).await?;
    codes(turn, state.auth.replace_recovery_codes(actor(&http), &visitor, &body.code).await?)
}

pub(in crate::http) async fn disable(
    state: web::Data<State>,
    http: HttpRequest,
    Visiting { visitor, body: Json(body) }: Visiting<Json<TwoFactorCodeRequest>>,
) -> Result<HttpResponse, ApiError> {
    let turn = begin_second_factor(&state, &http, &visitor.email).await?;
    if !state.auth.disable_second_factor(actor(&http), &visitor, &body.code).await? {
        turn.failed();
        return Err(ApiError::wrong_code());
    }
    turn.succeeded();
    Ok(HttpResponse::NoContent().finish())
}

fn codes(turn: AttemptPermit, codes: Option<Vec<String>>) -> Result<HttpResponse, ApiError> {
    let Some(recovery_codes) = codes else {
        turn.failed();
        return Err(ApiError::wrong_code());
    };
    turn.succeeded();
    Ok(HttpResponse::Ok().json(RecoveryCodesResponse { recovery_codes }))
}

pub(in crate::http) async fn export(
    state: web::Data<State>,
    http: HttpRequest,
    Visiting { visitor, .. }: Visiting<()>,
) -> Result<HttpResponse, ApiError> {
    Ok(export::of_account(state, &http, &visitor).await?)
}

pub(in crate::http) async fn sessions(
    state: web::Data<State>,
    Visiting { visitor, .. }: Visiting<()>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(state.store.sessions_of_user(visitor.user_row).await?))
}

pub(in crate::http) async fn end_session(
    state: web::Data<State>,
    actor: Actor,
    path: web::Path<String>,
    Visiting { visitor, .. }: Visiting<()>,
) -> Result<HttpResponse, ApiError> {
    let id = Uuid::parse_str(&path).map_err(|_| ApiError::not_found())?;
    gone(state.store.end_session_of_user(actor, visitor.user_row, id).await?)
}

pub(in crate::http) async fn devices(
    state: web::Data<State>,
    Visiting { visitor, .. }: Visiting<()>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(state.store.devices_of_user(visitor.user_row).await?))
}

pub(in crate::http) async fn remove_device(
    state: web::Data<State>,
    actor: Actor,
    path: web::Path<String>,
    Visiting { visitor, .. }: Visiting<()>,
) -> Result<HttpResponse, ApiError> {
    let id = Uuid::parse_str(&path).map_err(|_| ApiError::not_found())?;
    gone(state.store.remove_device_of_user(actor, visitor.user_row, id).await?)
}

fn gone(was_there: bool) -> Result<HttpResponse, ApiError> {
    if was_there { Ok(HttpResponse::NoContent().finish()) } else { Err(ApiError::not_found()) }
}

pub(in crate::http) async fn delete(
    state: web::Data<State>,
    http: HttpRequest,
    Visiting { visitor, body: Json(body) }: Visiting<Json<DeleteAccountRequest>>,
) -> Result<HttpResponse, ApiError> {
    let turn = begin(&state, &http, &visitor.email).await?;
    if !state.auth.delete_account(actor(&http), &visitor, body.password).await? {
        turn.failed();
        return Err(ApiError::wrong_password());
    }
    turn.passed();
    Ok(HttpResponse::NoContent().finish())
}
