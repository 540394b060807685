//! The OpenAPI document of everything that this server answers.

use actix_web::HttpResponse;

/// OpenAPI 3.1, JSON.
pub const DOCUMENT: &str = include_str!("openapi.json");

pub(super) async fn get() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(DOCUMENT)
}
