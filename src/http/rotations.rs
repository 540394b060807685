//! `/keys/rotate`: replacing the master key, and re-encrypting everything under the new one.

pub(super) mod blob_keys;

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use tidelog_protocol::limits::{MAX_CHANGES_PER_PUSH, MAX_ENTRIES_PER_PAGE, MAX_PAGE_BYTES};
use tidelog_protocol::{
    BeginRotationRequest, CompleteRotationRequest, PendingRotation, RotatedEntry, RotationEntriesRequest,
    RotationResponse, RotationStateResponse, Timestamp,
};

use super::State;
use super::api_error::ApiError;
use super::changes::page::EntryPage;
use super::json::{self, Capped, Object};
use super::keys::envelope;
use super::request::{Json, OptionalJson, RawJson, SessionRequest};
use crate::model::rotations::{
    BeginOutcome, CancelOutcome, CompleteOutcome, EntriesOutcome, EntryBatch, Rotation, RotationBatchOutcome,
};

/// Returns the rotation that is in progress, if there is one.
///
/// Statuses: 200, 401 `unauthenticated`.
pub(super) async fn state(
    state: web::Data<State>,
    SessionRequest { caller, .. }: SessionRequest<()>,
) -> Result<HttpResponse, ApiError> {
    let keys = state.store.find_keys(caller.log).await?;
    Ok(HttpResponse::Ok().json(RotationStateResponse {
        key_version: keys.current.key_version,
        next_key_version: keys.current.next_version(),
        pending: keys.running().map(pending),
    }))
}

fn pending(rotation: &Rotation) -> PendingRotation {
    PendingRotation {
        key_version: rotation.key_version,
        remaining: rotation.all_remaining(),
        started: rotation.started,
        began_at: Timestamp::from_micros(rotation.began_at).unwrap_or(Timestamp::EPOCH),
    }
}

/// Begins a rotation, or returns the one that the same request began.
///
/// Statuses: 200, 401 `unauthenticated`, 409 `rotation_in_progress` or `key_version_conflict`, 422 `invalid_field`.
pub(super) async fn begin(
    state: web::Data<State>,
    SessionRequest { caller, body: Json(request), .. }: SessionRequest<Json<BeginRotationRequest>>,
) -> Result<HttpResponse, ApiError> {
    let BeginRotationRequest { new_encrypted_key, key_version } = request;
    let envelope = envelope("new_encrypted_key", &new_encrypted_key)?;
    match state.store.begin_rotation(&caller, envelope, key_version).await? {
        BeginOutcome::Runs(key_version) => Ok(HttpResponse::Ok().json(RotationResponse { key_version })),
        BeginOutcome::InProgress => Err(ApiError::rotation_in_progress()),
        BeginOutcome::Conflict(current) => Err(ApiError::key_version_conflict(current, None)),
    }
}

/// Lists entries that are still to be re-encrypted.
///
/// Statuses: 200, 401 `unauthenticated`, 409 `no_rotation` or `log_rewound`, 422 `invalid_field`.
pub(super) async fn entries(
    state: web::Data<State>,
    SessionRequest { caller, body: OptionalJson(request), .. }: SessionRequest<
        OptionalJson<RotationEntriesRequest>,
    >,
) -> Result<HttpResponse, ApiError> {
    let limit = request.limit.unwrap_or(MAX_ENTRIES_PER_PAGE).min(MAX_ENTRIES_PER_PAGE);
    if limit == 0 {
        return Err(ApiError::invalid_field("limit", "it must be 1 or more"));
    }
    let mut permit = state.pages.permit_for(caller.log);
    permit.grow_to(MAX_PAGE_BYTES).await?;
    let sink = EntryPage::named("entries");
    let (outcome, page) = state.store.rotation_entries(&caller, request.cursor, limit, sink).await?;
    match outcome {
        EntriesOutcome::Page { cursor, has_more, remaining } => {
            let body = page.with_remaining(remaining).finish(cursor, has_more, permit, || ());
            Ok(HttpResponse::Ok().content_type("application/json").body(body))
        }
        EntriesOutcome::NoRotation => Err(ApiError::no_rotation()),
        EntriesOutcome::LogRewound(resume_from) => Err(ApiError::log_rewound(resume_from)),
    }
}

/// [`tidelog_protocol::RotationBatchRequest`], of which no more is kept than a batch may carry.
#[derive(Deserialize)]
struct BatchRequest<'a> {
    #[serde(default)]
    key_version: Option<u32>,
    #[serde(borrow)]
    entries: Capped<Object<RotatedEntry<'a>>>,
}

/// Replaces entries by re-encrypted ones.
///
/// Statuses: 200, 401 `unauthenticated`, 409 `no_rotation`, 422 `invalid_change` or `too_many_changes` or
/// `invalid_field`.
pub(super) async fn batch(
    state: web::Data<State>,
    SessionRequest { caller, body: RawJson(body), .. }: SessionRequest<RawJson>,
) -> Result<HttpResponse, ApiError> {
    let batch = parse(&body)?;
    drop(body);
    match state.store.rotate_entries(&caller, batch).await? {
        RotationBatchOutcome::Stored(answer) => Ok(HttpResponse::Ok().json(answer)),
        RotationBatchOutcome::Faulty(faults) => Err(ApiError::invalid_entries(faults)),
        RotationBatchOutcome::NoRotation => Err(ApiError::no_rotation()),
    }
}

fn parse(body: &str) -> Result<EntryBatch, ApiError> {
    let request: BatchRequest<'_> = json::parse(body)?;
    let entries = match request.entries {
        Capped::All(entries) if entries.is_empty() => {
            return Err(ApiError::invalid_field("entries", "a batch carries at least one entry"));
        }
        Capped::All(entries) => entries,
        Capped::TooMany => return Err(ApiError::too_many_entries(MAX_CHANGES_PER_PUSH)),
    };
    let batch = EntryBatch::new(entries.iter().map(|Object(entry)| entry));
    Ok(batch.map_err(ApiError::invalid_entries)?.under(request.key_version))
}

/// Completes the rotation: the new key becomes the current one.
///
/// Statuses: 200, 401 `unauthenticated`, 409 `rotation_incomplete` or `no_rotation` or `key_version_conflict`, 422
/// `invalid_field`.
pub(super) async fn complete(
    state: web::Data<State>,
    SessionRequest { caller, body: OptionalJson(request), .. }: SessionRequest<
        OptionalJson<CompleteRotationRequest>,
    >,
) -> Result<HttpResponse, ApiError> {
    match state.store.complete_rotation(&caller, request.key_version).await? {
        CompleteOutcome::Completed(key_version) => {
            Ok(HttpResponse::Ok().json(RotationResponse { key_version }))
        }
        CompleteOutcome::Incomplete(remaining) => Err(ApiError::rotation_incomplete(remaining)),
        CompleteOutcome::Conflict(current) => Err(ApiError::key_version_conflict(current, None)),
        CompleteOutcome::NoRotation => Err(ApiError::no_rotation()),
    }
}

/// Cancels the rotation.
///
/// Statuses: 204, 401 `unauthenticated`, 409 `rotation_started` or `no_rotation`.
pub(super) async fn cancel(
    state: web::Data<State>,
    SessionRequest { caller, .. }: SessionRequest<()>,
) -> Result<HttpResponse, ApiError> {
    match state.store.cancel_rotation(&caller).await? {
        CancelOutcome::Cancelled => Ok(HttpResponse::NoContent().finish()),
        CancelOutcome::Started => Err(ApiError::rotation_started()),
        CancelOutcome::NoRotation => Err(ApiError::no_rotation()),
    }
}
