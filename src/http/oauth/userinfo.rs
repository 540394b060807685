//! `GET /oauth/userinfo`: the user of an access token.

use actix_web::{HttpResponse, web};
use tidelog_protocol::UserInfoResponse;

use crate::http::State;
use crate::http::api_error::ApiError;
use crate::http::request::SessionRequest;

/// Returns the user.
///
/// Statuses: 200, 401 `unauthenticated`.
pub(in crate::http) async fn userinfo(
    state: web::Data<State>,
    SessionRequest { caller, .. }: SessionRequest<()>,
) -> Result<HttpResponse, ApiError> {
    let email = state.store.account_of_user(caller.user).await?.map(|account| account.email);
    Ok(HttpResponse::Ok().json(UserInfoResponse { sub: caller.user, email, app_id: caller.app }))
}
