//! `/limits`: the limits in force.

use actix_web::{HttpResponse, web};

use super::State;

/// Returns the limits.
///
/// Statuses: 200.
pub(super) async fn get(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().json(&state.limits)
}
