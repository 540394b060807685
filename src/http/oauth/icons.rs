//! `GET /oauth/icons/{app}`: the icon of an app, for the pages on which people sign in to it.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use uuid::Uuid;

use crate::http::State;
use crate::http::api_error::ApiError;

/// Browsers cache an icon for an hour.
const CACHE_CONTROL: &str = "public, max-age=3600";

/// Returns the icon.
///
/// Statuses: 200, 404 `not_found`.
pub(in crate::http) async fn get(
    state: web::Data<State>,
    app: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let app = Uuid::parse_str(&app).map_err(|_| ApiError::not_found())?;
    let icon = state.store.find_icon(app).await?.ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok()
        .content_type(icon.media_type)
        .insert_header((header::CACHE_CONTROL, CACHE_CONTROL))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .body(icon.bytes))
}
