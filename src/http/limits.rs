//! `/limits`: every limit in force.

use actix_web::{HttpResponse, web};

use super::State;

pub(super) async fn get(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().json(&state.limits)
}
