//! Requests with a personal access token of scope `admin`: the token is checked before the body is read. Access
//! tokens of sessions are not accepted here, and personal access tokens nowhere else.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use uuid::Uuid;

use crate::http::api_error::ApiError;
use crate::http::request::{Input, PublicRequest, state};
use crate::model::personal_access_tokens::{PersonalAccessToken, Scope};

/// A request with a personal access token of scope `admin`.
pub(in crate::http) struct AdminRequest<B> {
    token: Arc<PersonalAccessToken>,
    pub(in crate::http) body: B,
}

impl<B> AdminRequest<B> {
    /// The token, if it is for this app.
    ///
    /// # Errors
    /// `not_found`: a token for one app must not reveal whether others exist.
    pub(in crate::http) fn token_for(&self, app: Uuid) -> Result<&PersonalAccessToken, ApiError> {
        if self.token.allows(Scope::Admin, app) { Ok(&self.token) } else { Err(ApiError::not_found()) }
    }
}

impl<B: Input> FromRequest for AdminRequest<B> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let header = request.headers().get(header::AUTHORIZATION);
            let header =
                header.and_then(|value| value.to_str().ok()).ok_or_else(ApiError::unauthenticated)?;
            let token = state(&request)?.auth.personal_access_token(header).await?;
            let token = token.filter(|token| token.scope == Scope::Admin);
            let token = token.ok_or_else(ApiError::unauthenticated)?;
            let PublicRequest(body) = PublicRequest::<B>::from_request(&request, &mut payload).await?;
            Ok(Self { token, body })
        })
    }
}
