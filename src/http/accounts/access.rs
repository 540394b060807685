//! `POST /account/sessions/{id}` and `POST /account/devices/{id}`: ending the access of an app or a device.
//!
//! Both succeed if the access has already ended. Ids of other users are treated the same.

use actix_web::web;
use uuid::Uuid;

use super::{redirect_after, require_session};
use crate::http::api_error::ApiError;
use crate::http::pages::form::Form;
use crate::http::pages::{PageError, PageResult};

fn id(path: &str) -> Result<Uuid, PageError> {
    Uuid::parse_str(path).map_err(|_| ApiError::not_found().into())
}

/// Ends a session.
///
/// Statuses: 303, 400, 404.
pub(in crate::http) async fn end_session(path: web::Path<String>, form: Form) -> PageResult {
    let account = require_session(&form).await?;
    form.state.store.end_session_of_user(form.actor(), account.user_row, id(&path)?).await?;
    Ok(redirect_after(&form.state, "session"))
}

/// Removes a device, and ends its sessions.
///
/// Statuses: 303, 400, 404.
pub(in crate::http) async fn remove_device(path: web::Path<String>, form: Form) -> PageResult {
    let account = require_session(&form).await?;
    form.state.store.remove_device_of_user(form.actor(), account.user_row, id(&path)?).await?;
    Ok(redirect_after(&form.state, "device"))
}
