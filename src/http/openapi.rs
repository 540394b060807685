//! The OpenAPI document of everything that this server answers.
//!
//! Schemas come from the types of `tidelog-protocol`; paths, prose and examples from the JSON files in `openapi/`,
//! one per noun.

mod assemble;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use actix_web::HttpResponse;

/// OpenAPI 3.1, JSON. Assembled when it is first asked for.
pub static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let document = assemble::document().and_then(|document| serde_json::to_string_pretty(&document));
    document.expect("the files in openapi/ are part of the program, and its tests assemble them")
});

/// Returns the OpenAPI document.
///
/// Statuses: 200.
pub(super) async fn get() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(DOCUMENT.as_str())
}
