//! `POST /oauth/token`: exchanging a code, a refresh token or an assertion for tokens. The request is JSON or a form.

mod assertion;
mod request;

use actix_web::{HttpRequest, HttpResponse, web};
use tidelog_protocol::{
    GRANT_AUTHORIZATION_CODE, GRANT_JWT_BEARER, GRANT_REFRESH_TOKEN, TokenPair, TokenRequest, TokenResponse,
};

use self::request::{read, require};
use super::error::OAuthErrorResponse;
use crate::auth::AuthorizationCodeGrant;
use crate::auth::secrets::hash_secret;
use crate::http::State;
use crate::http::auth::count;
use crate::http::client_ip::actor;
use crate::model::actors::Actor;

/// Exchanges a grant for tokens.
///
/// Statuses: 200, 400, 422, 429.
pub(in crate::http) async fn token(
    state: web::Data<State>,
    http: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, OAuthErrorResponse> {
    count(&state, &http)?;
    let request = read(&http, payload).await?;
    let pair = match request.grant_type.as_deref() {
        None => return Err(OAuthErrorResponse::invalid_request("grant_type is missing")),
        Some(GRANT_AUTHORIZATION_CODE) => exchange_code(&state, actor(&http), &request).await?,
        Some(GRANT_REFRESH_TOKEN) => exchange_refresh_token(&state, actor(&http), &request).await?,
        Some(GRANT_JWT_BEARER) => assertion::exchange(&state, actor(&http), &request).await?,
        Some(_) => return Err(OAuthErrorResponse::unsupported_grant_type()),
    };
    Ok(HttpResponse::Ok().insert_header(("Pragma", "no-cache")).json(response(&state, pair)))
}

async fn exchange_code(
    state: &State,
    actor: Actor,
    request: &TokenRequest,
) -> Result<TokenPair, OAuthErrorResponse> {
    let grant = AuthorizationCodeGrant {
        code: require("code", request.code.as_ref())?,
        client_id: require("client_id", request.client_id.as_ref())?,
        redirect_uri: require("redirect_uri", request.redirect_uri.as_ref())?,
        code_verifier: require("code_verifier", request.code_verifier.as_ref())?,
    };
    let refused = "the code is unknown, expired or used, or belongs to another client_id, redirect_uri or code_challenge";
    let pair = state.auth.exchange_code(actor, grant).await?;
    pair.ok_or_else(|| OAuthErrorResponse::invalid_grant(refused))
}

async fn exchange_refresh_token(
    state: &State,
    actor: Actor,
    request: &TokenRequest,
) -> Result<TokenPair, OAuthErrorResponse> {
    let token = require("refresh_token", request.refresh_token.as_ref())?;
    let refused = "the refresh token is unknown, expired or used, or belongs to another client";
    // If the client identifies itself, the token must be its own. This is checked first, because a refresh cannot be
    // undone.
    if let Some(client_id) = &request.client_id {
        let client = state.store.find_oauth_client(hash_secret(client_id)).await?;
        let app = state.store.app_of_refresh_token(hash_secret(token)).await?;
        if client.map(|client| client.app) != app {
            return Err(OAuthErrorResponse::invalid_grant(refused));
        }
    }
    state.auth.refresh(actor, token).await?.ok_or_else(|| OAuthErrorResponse::invalid_grant(refused))
}

fn response(state: &State, pair: TokenPair) -> TokenResponse {
    let end = pair.expires_at.map_or(0, |end| end.as_micros());
    let expires_in_seconds = (end - state.clock.now_us()) / crate::clock::MICROS_PER_SECOND;
    TokenResponse {
        access_token: pair.token,
        token_type: "Bearer".into(),
        expires_in: u64::try_from(expires_in_seconds).unwrap_or_default(),
        refresh_token: pair.refresh_token,
        user_id: pair.user_id,
        app_id: pair.app_id,
    }
}
