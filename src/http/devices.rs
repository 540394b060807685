//! `/devices`: registering, listing and removing them.

use actix_web::{HttpResponse, web};
use tidelog_protocol::limits::MAX_DEVICES;
use tidelog_protocol::rules::check_device_name;
use tidelog_protocol::{Platform, RegisterDeviceRequest};
use uuid::Uuid;

use super::State;
use super::api_error::ApiError;
use super::request::{Json, SessionRequest};
use crate::model::actors::Actor;
use crate::model::devices::NewDevice;
use crate::store::Registration;

/// Registers a device, or finds the one that this installation registered before.
///
/// Statuses: 200, 201, 401 `unauthenticated`, 422 `invalid_field`.
pub(super) async fn register(
    state: web::Data<State>,
    SessionRequest { caller, body: Json(request), .. }: SessionRequest<Json<RegisterDeviceRequest>>,
) -> Result<HttpResponse, ApiError> {
    let new = checked(request)?;
    match state.store.register_device(&caller, new, Uuid::now_v7(), MAX_DEVICES as u64).await? {
        Registration::Created(device) => Ok(HttpResponse::Created().json(device)),
        Registration::Existed(device) => Ok(HttpResponse::Ok().json(device)),
        Registration::TooMany => {
            let reason = format!("this user has {MAX_DEVICES} devices already; remove one first");
            Err(ApiError::invalid_field("device_name", reason))
        }
    }
}

fn checked(request: RegisterDeviceRequest) -> Result<NewDevice, ApiError> {
    check_device_name(&request.device_name)
        .map_err(|reason| ApiError::invalid_field("device_name", reason))?;
    let platform: Platform =
        request.platform.parse().map_err(|reason| ApiError::invalid_field("platform", reason))?;
    Ok(NewDevice { name: request.device_name, platform, install_id: request.install_id })
}

/// Lists the caller's devices in this app.
///
/// Statuses: 200, 401 `unauthenticated`.
pub(super) async fn list(
    state: web::Data<State>,
    SessionRequest { caller, .. }: SessionRequest<()>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(state.store.list_devices(caller.log).await?))
}

/// Removes a device, and ends its sessions.
///
/// Statuses: 204, 401 `unauthenticated`, 404 `not_found`.
pub(super) async fn remove(
    state: web::Data<State>,
    actor: Actor,
    SessionRequest { caller, .. }: SessionRequest<()>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    // An invalid id is answered like an unknown one.
    let device = Uuid::parse_str(&id).map_err(|_| ApiError::not_found())?;
    if state.store.remove_device(actor, &caller, device).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(ApiError::not_found())
    }
}
