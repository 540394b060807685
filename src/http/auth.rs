//! `/auth`: signing in, refreshing, signing out.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::{HttpRequest, HttpResponse, web};
use tidelog_protocol::{RefreshRequest, SignInRequest};

use super::State;
use super::refusal::{RATE_LIMIT, RATE_REMAINING, Refusal};
use super::request::{Json, Open, Signed};
use crate::auth::SignIn;
use crate::error::Fault;

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

/// Counts one attempt of whoever is connected; on a Unix socket that is this machine.
fn count(state: &State, request: &HttpRequest) -> Result<u32, Refusal> {
    let address = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.ip());
    state.attempts.count(address).map_err(Refusal::rate_limited)
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
        SignIn::Refused => Err(refusal().with_rate(limit, remaining)),
    }
}
