//! Whether the server is alive, and whether it can do its work.

use actix_web::{HttpResponse, web};
use tidelog_protocol::HealthResponse;

use super::State;
use super::api_error::ApiError;

pub(super) async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(HealthResponse { status: "alive".into() })
}

pub(super) async fn ready(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    state.store.ready().await?;
    Ok(HttpResponse::Ok().json(HealthResponse { status: "ready".into() }))
}
