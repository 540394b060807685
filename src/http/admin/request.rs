//! Requests of administrators: whose token it is first, then a small body. Tokens of people who sync never pass here, and those of
//! administrators never pass there.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use uuid::Uuid;

use crate::http::api_error::ApiError;
use crate::http::request::{Input, Open, state};
use crate::model::access_tokens::{AccessToken, Scope};

/// A request that bears an access token of an administrator.
pub(in crate::http) struct Administered<B> {
    token: Arc<AccessToken>,
    /// What it says.
    pub(in crate::http) body: B,
}

impl<B> Administered<B> {
    /// The token, if it is good for this app.
    pub(in crate::http) fn token_for(&self, app: Uuid) -> Result<&AccessToken, ApiError> {
        if self.token.allows(Scope::Admin, app) { Ok(&self.token) } else { Err(ApiError::not_found()) }
    }
}

impl<B: Input> FromRequest for Administered<B> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let header = request.headers().get(header::AUTHORIZATION);
            let header =
                header.and_then(|value| value.to_str().ok()).ok_or_else(ApiError::unauthenticated)?;
            let token = state(&request)?.auth.access_token(header).await?;
            let token = token.filter(|token| token.scope == Scope::Admin);
            let token = token.ok_or_else(ApiError::unauthenticated)?;
            let Open(body) = Open::<B>::from_request(&request, &mut payload).await?;
            Ok(Self { token, body })
        })
    }
}
