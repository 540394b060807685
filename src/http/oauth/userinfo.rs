//! `GET /oauth/userinfo`: who is signed in.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use uuid::Uuid;

use crate::http::State;
use crate::http::api_error::ApiError;
use crate::http::request::Signed;

#[derive(Serialize)]
struct UserInfo {
    sub: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    app_id: Uuid,
}

pub(in crate::http) async fn userinfo(
    state: web::Data<State>,
    Signed { caller, .. }: Signed<()>,
) -> Result<HttpResponse, ApiError> {
    let email = state.store.account_of_user(caller.user).await?.map(|account| account.email);
    Ok(HttpResponse::Ok().json(UserInfo { sub: caller.user, email, app_id: caller.app }))
}
