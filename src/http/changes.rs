//! `/push`, `/pull` and `/status`: the log.

pub mod page;
pub mod push;

use actix_web::{HttpResponse, web};
use tidelog_protocol::limits::{MAX_ENTRIES_PER_PAGE, MAX_FILTER_TABLES, MAX_PAGE_BYTES};
use tidelog_protocol::rules::check_table;
use tidelog_protocol::{PullRequest, PushResponse, StatusResponse};

use self::page::EntryPage;
use super::State;
use super::api_error::ApiError;
use super::request::{Json, RawJson, SessionRequest};
use crate::model::changes::{PullOutcome, PullQuery, PushOutcome};

/// Appends a batch of changes to the log.
///
/// Statuses: 200, 401 `unauthenticated`, 403 `device_revoked`, 404 `not_found`, 409 `batch_id_reused` or
/// `key_version_conflict` or `log_moved` or `log_rewound`, 422 `invalid_change` or `too_many_changes` or
/// `invalid_field`.
pub(super) async fn push(
    state: web::Data<State>,
    SessionRequest { caller, body: RawJson(body), .. }: SessionRequest<RawJson>,
) -> Result<HttpResponse, ApiError> {
    let outcome = match push::parse(&body)? {
        push::Parsed::Valid(batch) => {
            drop(body);
            state.store.push(caller, batch).await?
        }
        push::Parsed::Faulty(push, error) => state.store.precheck_push(&caller, push).await?.ok_or(error)?,
    };
    match outcome {
        PushOutcome::Stored { cursor, last_seq } => {
            Ok(HttpResponse::Ok().json(PushResponse { cursor, last_seq: Some(last_seq) }))
        }
        PushOutcome::UnknownDevice => Err(ApiError::not_found()),
        PushOutcome::RevokedDevice => Err(ApiError::device_revoked()),
        PushOutcome::BatchIdReused(first) => Err(ApiError::batch_id_reused(first)),
        PushOutcome::KeyVersionConflict(current) => Err(ApiError::key_version_conflict(current, None)),
        PushOutcome::LogMoved => Err(ApiError::log_moved()),
        PushOutcome::LogRewound(resume_from) => Err(ApiError::log_rewound(resume_from)),
    }
}

/// Returns entries after a cursor.
///
/// Statuses: 200, 401 `unauthenticated`, 403 `device_revoked`, 404 `not_found`, 409 `log_rewound`, 422 `invalid_field`.
pub(super) async fn pull(
    state: web::Data<State>,
    SessionRequest { caller, body: Json(request), .. }: SessionRequest<Json<PullRequest>>,
) -> Result<HttpResponse, ApiError> {
    let query = query(request)?;
    let mut permit = state.pages.permit_for(caller.log);
    permit.grow_to(MAX_PAGE_BYTES).await?;
    let (outcome, page) = state.store.pull(caller, query, EntryPage::new()).await?;
    match outcome {
        PullOutcome::Page { cursor, has_more, delivery } => {
            let store = state.store.clone();
            let body = page.finish(cursor, has_more, permit, move || store.note_delivery(delivery));
            Ok(HttpResponse::Ok().content_type("application/json").body(body))
        }
        PullOutcome::UnknownDevice => Err(ApiError::not_found()),
        PullOutcome::RevokedDevice => Err(ApiError::device_revoked()),
        PullOutcome::LogRewound(resume_from) => Err(ApiError::log_rewound(resume_from)),
    }
}

fn query(request: PullRequest) -> Result<PullQuery, ApiError> {
    let limit = request.limit.unwrap_or(MAX_ENTRIES_PER_PAGE).min(MAX_ENTRIES_PER_PAGE);
    if limit == 0 {
        return Err(ApiError::invalid_field("limit", "it must be 1 or more"));
    }
    if let Some(tables) = &request.tables {
        if tables.is_empty() || tables.len() > MAX_FILTER_TABLES {
            return Err(ApiError::invalid_field(
                "tables",
                format!("it must name 1 to {MAX_FILTER_TABLES} tables"),
            ));
        }
        for (index, table) in tables.iter().enumerate() {
            check_table(table)
                .map_err(|reason| ApiError::invalid_field(format!("tables[{index}]"), reason))?;
        }
    }
    Ok(PullQuery {
        device: request.device_id,
        cursor: request.cursor,
        limit,
        tables: request.tables,
        since_us: request.since.map(tidelog_protocol::Timestamp::as_micros),
        include_own: request.include_own,
    })
}

/// Returns the totals of the log.
///
/// Statuses: 200, 401 `unauthenticated`.
pub(super) async fn status(
    state: web::Data<State>,
    SessionRequest { caller, .. }: SessionRequest<()>,
) -> Result<HttpResponse, ApiError> {
    let status = state.store.log_status(&caller).await?;
    Ok(HttpResponse::Ok().json(StatusResponse {
        total_changes: status.total_changes,
        latest_cursor: status.latest_cursor,
        change_bytes: status.change_bytes,
        blob_bytes: status.blob_bytes,
        quota_bytes: state.blob_quota_bytes,
        devices: status.devices,
        key_version: status.key_version,
    }))
}
