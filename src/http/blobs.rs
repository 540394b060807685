//! `/blobs`: encrypted files that are too large for the log. All of it is 503 if this server stores no blobs.

pub(super) mod transfers;

use actix_web::{HttpRequest, HttpResponse, web};
use data_encoding::BASE64;
use serde::Deserialize;
use tidelog_protocol::limits::MAX_BLOBS_PER_PAGE;
use tidelog_protocol::{
    Blob, BlobConfirmRequest, BlobConfirmResponse, BlobDownloadRequest, BlobDownloadResponse,
    BlobListResponse, BlobUploadRequest, BlobUploadResponse, SYNC_PREFIX, Timestamp,
};
use uuid::Uuid;

use super::api_error::ApiError;
use super::request::{Json, SessionRequest};
use super::{BlobService, State, hosts};
use crate::auth::presigned_urls::{UrlPurpose, UrlTarget};
use crate::blobs::{BlobStore, ConfirmOutcome, ConfirmRequest, confirm as confirm_blob};
use crate::model::blobs::{self, BlobHash, HASH_FORMAT, decode_wrapped_key};
use crate::model::sessions::Caller;
use crate::store::{GrantOutcome, NewUpload};

impl State {
    fn blob_service(&self) -> Result<&BlobService, ApiError> {
        self.blobs.as_ref().ok_or_else(ApiError::no_blobs)
    }

    fn blob_store(&self) -> Result<&BlobStore, ApiError> {
        self.blob_service().map(|service| &service.store)
    }

    fn check_size(&self, size_bytes: u64) -> Result<(), ApiError> {
        match self.limits.max_blob_bytes {
            max if size_bytes > max => Err(ApiError::blob_too_large(max)),
            _ => Ok(()),
        }
    }

    /// Presigns a URL at this server, as the caller reaches it.
    fn presigned_url(
        &self,
        request: &HttpRequest,
        caller: &Caller,
        purpose: UrlPurpose,
        target: UrlTarget,
    ) -> Result<String, ApiError> {
        let token = self.auth.url_token(caller, purpose, target)?;
        let origin = match self.site.public_url() {
            Some(url) => url.to_owned(),
            None => hosts::origin(request),
        };
        let path = match purpose {
            UrlPurpose::Upload => "up",
            UrlPurpose::Download => "down",
        };
        Ok(format!("{origin}{SYNC_PREFIX}/blobs/{path}/{token}"))
    }
}

fn hash_of(text: &str) -> Result<BlobHash, ApiError> {
    BlobHash::parse(text).ok_or_else(|| ApiError::invalid_field("hash", format!("it {HASH_FORMAT}")))
}

/// `POST /blobs/upload`: 200 with a presigned URL, or 402 over the quota, 413 if the blob is too large.
///
/// Statuses: 200, 401 `unauthenticated`, 402 `quota_exceeded`, 422 `invalid_field`, 503 `no_blobs`.
pub(super) async fn upload(
    state: web::Data<State>,
    request: HttpRequest,
    SessionRequest { caller, body: Json(body), .. }: SessionRequest<Json<BlobUploadRequest>>,
) -> Result<HttpResponse, ApiError> {
    let service = state.blob_service()?;
    let hash = hash_of(&body.hash)?;
    state.check_size(body.size_bytes)?;
    let new = NewUpload {
        // Random from the first digit on, by which objects are spread over folders.
        id: Uuid::new_v4(),
        hash,
        size_bytes: body.size_bytes,
        lifetime_us: service.upload_lifetime_us,
        quota_bytes: state.blob_quota_bytes,
    };
    let id = match state.store.grant_upload(&caller, new).await? {
        GrantOutcome::Granted(id) => id,
        GrantOutcome::Exists => {
            let answer = BlobUploadResponse { upload_url: String::new(), already_exists: true };
            return Ok(HttpResponse::Ok().json(answer));
        }
        GrantOutcome::QuotaExceeded => {
            return Err(ApiError::quota_exceeded(state.blob_quota_bytes.unwrap_or_default()));
        }
    };
    let target = UrlTarget { id, hash, size_bytes: body.size_bytes };
    let upload_url = match service.store.upload_url(id).await? {
        Some(url) => url,
        None => state.presigned_url(&request, &caller, UrlPurpose::Upload, target)?,
    };
    Ok(HttpResponse::Ok().json(BlobUploadResponse { upload_url, already_exists: false }))
}

/// `POST /blobs/confirm`: 200, or 409 if nothing was uploaded or the key version conflicts, 422 if something else was
/// uploaded.
///
/// Statuses: 200, 401 `unauthenticated`, 409 `not_uploaded` or `key_version_conflict`, 422 `blob_mismatch` or
/// `invalid_field`, 503 `no_blobs`.
pub(super) async fn confirm(
    state: web::Data<State>,
    SessionRequest { caller, body: Json(body), .. }: SessionRequest<Json<BlobConfirmRequest>>,
) -> Result<HttpResponse, ApiError> {
    let blobs = state.blob_store()?;
    let hash = hash_of(&body.hash)?;
    state.check_size(body.size_bytes)?;
    let wrapped_key = body.wrapped_key.as_deref().map(decode_wrapped_key).transpose();
    let wrapped_key =
        wrapped_key.map_err(|reason| ApiError::invalid_field("wrapped_key", format!("it {reason}")))?;
    let request = ConfirmRequest {
        hash,
        size_bytes: body.size_bytes,
        wrapped_key: wrapped_key.map(|key| (key, body.key_version)),
    };
    match confirm_blob(&state.store, blobs, &caller, &request).await? {
        ConfirmOutcome::Blob(blob) => Ok(HttpResponse::Ok().json(BlobConfirmResponse {
            hash: blob.hash.to_string(),
            size_bytes: blob.size_bytes,
            verified: blob.verified,
        })),
        ConfirmOutcome::NotUploaded => Err(ApiError::not_uploaded()),
        ConfirmOutcome::Mismatch => Err(ApiError::blob_mismatch()),
        ConfirmOutcome::KeyVersionConflict(current) => Err(ApiError::key_version_conflict(current, None)),
    }
}

/// `POST /blobs/download`: 200 with a presigned URL, or 404.
///
/// Statuses: 200, 401 `unauthenticated`, 404 `not_found`, 422 `invalid_field`, 503 `no_blobs`.
pub(super) async fn download(
    state: web::Data<State>,
    request: HttpRequest,
    SessionRequest { caller, body: Json(body), .. }: SessionRequest<Json<BlobDownloadRequest>>,
) -> Result<HttpResponse, ApiError> {
    let blobs = state.blob_store()?;
    let blob = state.store.find_blob(caller.log, hash_of(&body.hash)?).await?;
    let blob = blob.ok_or_else(ApiError::not_found)?;
    let target = UrlTarget { id: blob.object, hash: blob.hash, size_bytes: blob.size_bytes };
    let download_url = match blobs.download_url(blob.object).await? {
        Some(url) => url,
        None => state.presigned_url(&request, &caller, UrlPurpose::Download, target)?,
    };
    Ok(HttpResponse::Ok().json(BlobDownloadResponse {
        download_url,
        wrapped_key: blob.key.as_ref().map(|key| BASE64.encode(&key.wrapped_key)),
        key_version: blob.key.map(|key| key.key_version),
        size_bytes: Some(blob.size_bytes),
    }))
}

#[derive(Deserialize)]
struct ListQuery {
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /blobs`: 200 with one page.
///
/// Statuses: 200, 401 `unauthenticated`, 422 `invalid_field`, 503 `no_blobs`.
pub(super) async fn list(
    state: web::Data<State>,
    request: HttpRequest,
    SessionRequest { caller, .. }: SessionRequest<()>,
) -> Result<HttpResponse, ApiError> {
    state.blob_service()?;
    let query = web::Query::<ListQuery>::from_query(request.query_string());
    let ListQuery { after, limit } =
        query.map_err(|error| ApiError::invalid_field("query", error))?.into_inner();
    let (after, limit) = page_of(after.as_deref(), limit)?;
    let mut blobs = state.store.list_blobs(caller.log, after, limit + 1).await?;
    let has_more = blobs.len() > limit;
    blobs.truncate(limit);
    let blobs = blobs.into_iter().map(listed).collect();
    Ok(HttpResponse::Ok().json(BlobListResponse { blobs, has_more }))
}

/// Reads where a page starts and how long it is.
pub(super) fn page_of(
    after: Option<&str>,
    limit: Option<usize>,
) -> Result<(Option<BlobHash>, usize), ApiError> {
    let after = after.map(|text| {
        BlobHash::parse(text).ok_or_else(|| ApiError::invalid_field("after", format!("it {HASH_FORMAT}")))
    });
    match limit.unwrap_or(MAX_BLOBS_PER_PAGE).min(MAX_BLOBS_PER_PAGE) {
        0 => Err(ApiError::invalid_field("limit", "it must be 1 or more")),
        limit => Ok((after.transpose()?, limit)),
    }
}

fn listed(blob: blobs::Blob) -> Blob {
    Blob {
        hash: blob.hash.to_string(),
        size_bytes: blob.size_bytes,
        wrapped_key: blob.key.as_ref().map(|key| BASE64.encode(&key.wrapped_key)),
        key_version: blob.key.map(|key| key.key_version),
        verified: blob.verified,
        created_at: Timestamp::from_micros(blob.created_at).unwrap_or(Timestamp::EPOCH),
    }
}

/// `DELETE /blobs/{hash}`: 204, or 404.
///
/// Statuses: 204, 401 `unauthenticated`, 404 `not_found`, 503 `no_blobs`.
pub(super) async fn remove(
    state: web::Data<State>,
    SessionRequest { caller, .. }: SessionRequest<()>,
    hash: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    state.blob_service()?;
    // Anything that is not a hash is answered like the hash of no blob.
    let hash = BlobHash::parse(&hash).ok_or_else(ApiError::not_found)?;
    match state.store.delete_blob(&caller, hash).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(ApiError::not_found()),
    }
}
