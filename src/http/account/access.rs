//! `POST /account/sessions/{id}` and `POST /account/devices/{id}`: what has access to an account is ended.

use actix_web::{HttpRequest, HttpResponse, web};
use uuid::Uuid;

use super::{done, sender};
use crate::http::State;
use crate::http::api_error::ApiError;
use crate::http::client_ip::actor;
use crate::http::pages::PageError;
use crate::http::pages::form::Form;

fn id(path: &str) -> Result<Uuid, PageError> {
    Uuid::parse_str(path).map_err(|_| ApiError::not_found().into())
}

/// One that has ended meanwhile is as good as ended now; one of somebody else is not there.
pub(in crate::http) async fn end_session(
    state: web::Data<State>,
    http: HttpRequest,
    path: web::Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let visitor = sender(&state, &http, &form).await?;
    state.store.end_session_of_user(actor(&http), visitor.user_row, id(&path)?).await?;
    Ok(done(&state, "session"))
}

pub(in crate::http) async fn remove_device(
    state: web::Data<State>,
    http: HttpRequest,
    path: web::Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let visitor = sender(&state, &http, &form).await?;
    state.store.remove_device_of_user(actor(&http), visitor.user_row, id(&path)?).await?;
    Ok(done(&state, "device"))
}
