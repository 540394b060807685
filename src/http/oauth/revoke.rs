//! `POST /oauth/revoke` (RFC 7009): an app revokes a token, and the session with it.

use actix_web::{HttpRequest, HttpResponse, web};
use tidelog_protocol::RevokeRequest;

use super::error::OAuthErrorResponse;
use crate::http::State;
use crate::http::auth::count;
use crate::http::client_ip::actor;
use crate::http::request::{Kind, read_public};
use crate::model::authorization::Parameters;

/// Whichever of its two tokens is shown, the session ends: neither is worth anything without it. Of an unknown one
/// nothing is said.
///
/// Statuses: 200, 400, 422, 429.
pub(in crate::http) async fn revoke(
    state: web::Data<State>,
    http: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, OAuthErrorResponse> {
    count(&state, &http)?;
    let (body, kind) = read_public(&http, payload.into_inner()).await?;
    let token = match kind {
        Kind::Json => crate::http::json::parse::<RevokeRequest>(&body)?.token,
        Kind::Form => Parameters::parse(&body).get("token").map(Into::into),
    };
    let token =
        token.ok_or_else(|| OAuthErrorResponse::invalid_request("token is missing or appears twice"))?;
    state.auth.revoke(actor(&http), &token).await?;
    Ok(HttpResponse::Ok().finish())
}
