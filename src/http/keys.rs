//! `/keys`: the encrypted master key that a user's devices share.

use actix_web::{HttpResponse, web};
use data_encoding::BASE64;
use tidelog_protocol::limits::MAX_ENVELOPE_BYTES;
use tidelog_protocol::{GetKeyResponse, PendingKey, PutKeyRequest, PutKeyResponse};

use super::State;
use super::api_error::ApiError;
use super::request::{Json, SessionRequest};
use crate::model::keys::PutKeyOutcome;

/// Returns the key envelope.
///
/// Statuses: 200, 401 `unauthenticated`, 404 `not_found`.
pub(super) async fn get(
    state: web::Data<State>,
    SessionRequest { caller, .. }: SessionRequest<()>,
) -> Result<HttpResponse, ApiError> {
    let (envelope, rotation) = state.store.find_key(caller.log).await?.ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok().json(GetKeyResponse {
        encrypted_key: BASE64.encode(&envelope.encrypted_key),
        key_version: envelope.key_version,
        revision: envelope.revision,
        pending: rotation.map(|rotation| PendingKey {
            encrypted_key: BASE64.encode(&rotation.encrypted_key),
            key_version: rotation.key_version,
        }),
    }))
}

/// Stores a key envelope, if none was stored meanwhile.
///
/// Statuses: 200, 401 `unauthenticated`, 409 `key_version_conflict` or `rotation_in_progress`, 422 `invalid_field`.
pub(super) async fn put(
    state: web::Data<State>,
    SessionRequest { caller, body: Json(request), .. }: SessionRequest<Json<PutKeyRequest>>,
) -> Result<HttpResponse, ApiError> {
    let PutKeyRequest { encrypted_key, expected_revision, key_version } = request;
    let envelope = envelope("encrypted_key", &encrypted_key)?;
    match state.store.put_key(&caller, envelope, expected_revision, key_version).await? {
        PutKeyOutcome::Stored(stored) => Ok(HttpResponse::Ok()
            .json(PutKeyResponse { key_version: stored.key_version, revision: stored.revision })),
        PutKeyOutcome::Conflict(current) => {
            Err(ApiError::key_version_conflict(current.key_version, Some(current.revision)))
        }
        PutKeyOutcome::RotationInProgress => Err(ApiError::rotation_in_progress()),
    }
}

/// The bytes of an envelope in a field.
pub(super) fn envelope(field: &str, encrypted_key: &str) -> Result<Vec<u8>, ApiError> {
    let refuse = |reason: &str| ApiError::invalid_field(field, reason);
    let bytes = BASE64
        .decode(encrypted_key.as_bytes())
        .map_err(|_| refuse("it must be standard base64 with padding"))?;
    match bytes.len() {
        0 => Err(refuse("it is empty")),
        1..=MAX_ENVELOPE_BYTES => Ok(bytes),
        _ => Err(refuse(&format!("it must have at most {MAX_ENVELOPE_BYTES} bytes once decoded"))),
    }
}
