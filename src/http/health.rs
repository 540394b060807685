//! `/health` and `/ready`, for process supervisors and load balancers.

use actix_web::{HttpResponse, web};
use tidelog_protocol::HealthResponse;

use super::State;
use super::api_error::ApiError;

/// Responds as long as the process does.
///
/// Statuses: 200.
pub(super) async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(HealthResponse { status: "alive".into() })
}

/// Checks that the database can be read and written.
///
/// Statuses: 200.
pub(super) async fn ready(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    state.store.ready().await?;
    Ok(HttpResponse::Ok().json(HealthResponse { status: "ready".into() }))
}
