//! `/api/admin/apps/{id}/sessions`: an app's own backend signs in its users.

use actix_web::{HttpResponse, web};
use tidelog_protocol::BeginSessionRequest;
use uuid::Uuid;

use super::request::AdminRequest;
use crate::http::State;
use crate::http::api_error::ApiError;
use crate::http::request::Json;
use crate::model::actors::Actor;
use crate::model::issuers::check_subject;

/// Begins a session for a user of the app's own backend.
///
/// Statuses: 200, 401 `unauthenticated`, 404 `not_found`, 422 `invalid_field`.
pub(in crate::http) async fn begin(
    state: web::Data<State>,
    actor: Actor,
    app: web::Path<String>,
    request: AdminRequest<Json<BeginSessionRequest>>,
) -> Result<HttpResponse, ApiError> {
    let app = Uuid::parse_str(&app).map_err(|_| ApiError::not_found())?;
    let token = request.token_for(app)?;
    let Json(BeginSessionRequest { external_id }) = &request.body;
    check_subject(external_id).map_err(|reason| ApiError::invalid_field("external_id", reason))?;
    let pair = state.auth.sign_in_for_backend(actor, token, app, external_id.clone()).await?;
    Ok(HttpResponse::Ok().json(pair.ok_or_else(ApiError::not_found)?))
}
