//! `/keys/rotate/blobs`: the wrapped keys of blobs, which a rotation replaces without touching the blobs.

use actix_web::{HttpResponse, web};
use data_encoding::BASE64;
use serde::Deserialize;
use tidelog_protocol::limits::MAX_BLOBS_PER_PAGE;
use tidelog_protocol::{BlobKey, RotatedBlobKey, RotationBlobsRequest, RotationBlobsResponse};

use crate::http::State;
use crate::http::api_error::ApiError;
use crate::http::blobs::page_of;
use crate::http::json::{self, Capped, Object};
use crate::http::request::{OptionalJson, RawJson, SessionRequest};
use crate::model::blobs::{BlobHash, SealedKey};
use crate::model::rotations::{BlobKeyBatch, BlobKeysOutcome, RotationBatchOutcome};

/// Lists blob keys that are still to be re-encrypted.
///
/// Statuses: 200, 401 `unauthenticated`, 409 `no_rotation`, 422 `invalid_field`.
pub(in crate::http) async fn list(
    state: web::Data<State>,
    SessionRequest { caller, body: OptionalJson(request), .. }: SessionRequest<
        OptionalJson<RotationBlobsRequest>,
    >,
) -> Result<HttpResponse, ApiError> {
    let (after, limit) = page_of(request.after.as_deref(), request.limit)?;
    match state.store.rotation_blob_keys(&caller, after, limit).await? {
        BlobKeysOutcome::Page { keys, has_more, remaining } => {
            let blobs = keys.into_iter().map(listed).collect();
            Ok(HttpResponse::Ok().json(RotationBlobsResponse { blobs, has_more, remaining }))
        }
        BlobKeysOutcome::NoRotation => Err(ApiError::no_rotation()),
    }
}

fn listed((hash, key): (BlobHash, SealedKey)) -> BlobKey {
    BlobKey {
        hash: hash.to_string(),
        wrapped_key: BASE64.encode(&key.wrapped_key),
        key_version: key.key_version,
    }
}

/// [`tidelog_protocol::RotationBlobsBatchRequest`], of which no more is kept than a batch may carry.
#[derive(Deserialize)]
struct BatchRequest {
    #[serde(default)]
    key_version: Option<u32>,
    blobs: Capped<Object<RotatedBlobKey>>,
}

/// Replaces blob keys by re-encrypted ones.
///
/// Statuses: 200, 401 `unauthenticated`, 409 `no_rotation`, 422 `invalid_change` or `too_many_changes` or
/// `invalid_field`.
pub(in crate::http) async fn batch(
    state: web::Data<State>,
    SessionRequest { caller, body: RawJson(body), .. }: SessionRequest<RawJson>,
) -> Result<HttpResponse, ApiError> {
    let keys = parse(&body)?;
    drop(body);
    match state.store.rotate_blob_keys(&caller, keys).await? {
        RotationBatchOutcome::Stored(answer) => Ok(HttpResponse::Ok().json(answer)),
        RotationBatchOutcome::Faulty(faults) => Err(ApiError::invalid_entries(faults)),
        RotationBatchOutcome::NoRotation => Err(ApiError::no_rotation()),
    }
}

fn parse(body: &str) -> Result<BlobKeyBatch, ApiError> {
    let request: BatchRequest = json::parse(body)?;
    let too_many = || ApiError::too_many_blobs(MAX_BLOBS_PER_PAGE);
    let blobs = match request.blobs {
        Capped::All(blobs) if blobs.is_empty() => {
            return Err(ApiError::invalid_field("blobs", "a batch carries at least one blob"));
        }
        Capped::All(blobs) if blobs.len() > MAX_BLOBS_PER_PAGE => return Err(too_many()),
        Capped::All(blobs) => blobs,
        Capped::TooMany => return Err(too_many()),
    };
    BlobKeyBatch::new(blobs.iter().map(|Object(blob)| blob), request.key_version)
        .map_err(ApiError::invalid_entries)
}
