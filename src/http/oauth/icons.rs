//! `GET /oauth/icons/{app}`: the picture of an app, for the pages where people sign in to it.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use uuid::Uuid;

use crate::http::State;
use crate::http::api_error::ApiError;

/// How long browsers keep a picture.
const CACHE: &str = "public, max-age=3600";

pub(in crate::http) async fn get(
    state: web::Data<State>,
    app: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let app = Uuid::parse_str(&app).map_err(|_| ApiError::not_found())?;
    let icon = state.store.find_icon(app).await?.ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok()
        .content_type(icon.media_type)
        .insert_header((header::CACHE_CONTROL, CACHE))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .body(icon.bytes))
}
