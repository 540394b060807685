//! `/blobs/up/{token}` and `/blobs/down/{token}`: transfers of a blob's bytes, where they pass through this server.
//!
//! The presigned URL carries the permission: what may be sent or fetched, and for whom. An upload is bounded by what
//! was granted, whatever the request announces.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::header::{
    self, ByteRangeSpec, ContentRangeSpec, EntityTag, Header, IfMatch, IfNoneMatch, IfRange,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::{StreamExt, stream};
use tidelog_protocol::limits::BLOB_OVERHEAD_BYTES;
use tokio::time::timeout;
use uuid::Uuid;

use crate::auth::presigned_urls::UrlPurpose;
use crate::blobs::{BlobStore, Bytes, ObjectWriter};
use crate::error::Fault;
use crate::http::State;
use crate::http::api_error::ApiError;
use crate::http::cors;
use crate::http::memory::MemoryPermit;
use crate::model::blobs::{Location, is_size_of};
use crate::model::sessions::Caller;
use crate::store::Store;

/// Timeout for the next bytes of an upload. The whole upload has none, since a slow connection is not an error.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// `PUT /blobs/up/{token}`: 200 once the bytes are durable, or 401 for an invalid URL, 404 if the upload is gone, 422
/// for another size.
///
/// Statuses: 200, 401 `unauthenticated`, 404 `not_found`, 422 `blob_mismatch`, 503 `no_blobs`.
pub(in crate::http) async fn put(
    state: web::Data<State>,
    request: HttpRequest,
    token: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let blobs = state.blob_store()?;
    let found = state.auth.caller_of_url(UrlPurpose::Upload, &token).await?;
    let (caller, grant) = found.ok_or_else(ApiError::invalid_presigned_url)?;
    cors::note_app(&request, caller.app);
    let (id, size_bytes) = (grant.target.id, grant.target.size_bytes);
    state.store.find_upload(caller.log, id).await?.ok_or_else(ApiError::not_found)?;
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced: Option<u64> = length.and_then(|length| length.parse().ok());
    if announced.is_some_and(|bytes| !is_size_of(size_bytes, bytes)) {
        return Err(ApiError::blob_mismatch());
    }
    let max_bytes = size_bytes.saturating_add(BLOB_OVERHEAD_BYTES);
    let mut permit = state.transfers.permit_for(caller.log);
    permit
        .grow_to(blobs.upload_memory(max_bytes).min(usize::try_from(max_bytes).unwrap_or(usize::MAX)))
        .await?;
    // A new object for each attempt, so that one that was interrupted and still goes on does not write to the next
    // one's.
    let object = Uuid::new_v4();
    let mut writer = blobs.write(object, max_bytes).await?;
    receive(&mut writer, payload, max_bytes).await?;
    if !is_size_of(size_bytes, writer.bytes()) {
        return Err(ApiError::blob_mismatch());
    }
    let upload = ReceivedUpload { store: state.store.clone(), blobs: blobs.clone(), caller, id, object };
    // In a task of its own: a client that disconnects now must not leave an object without its row.
    let noted = tokio::spawn(upload.finish(writer)).await.map_err(Fault::internal)??;
    if noted { Ok(HttpResponse::Ok().finish()) } else { Err(ApiError::not_found()) }
}

/// Writes the body of a request, up to this many bytes.
async fn receive(
    writer: &mut ObjectWriter,
    mut payload: web::Payload,
    max_bytes: u64,
) -> Result<(), ApiError> {
    loop {
        let chunk = timeout(READ_TIMEOUT, payload.next()).await.map_err(|_| ApiError::incomplete_body())?;
        let Some(chunk) = chunk else { return Ok(()) };
        let chunk = chunk.map_err(|_| ApiError::incomplete_body())?;
        if writer.bytes() + chunk.len() as u64 > max_bytes {
            return Err(ApiError::blob_mismatch());
        }
        writer.write(chunk).await?;
    }
}

/// An upload whose bytes have all been received.
struct ReceivedUpload {
    store: Store,
    blobs: BlobStore,
    caller: Arc<Caller>,
    id: Uuid,
    object: Uuid,
}

impl ReceivedUpload {
    /// Completes the object and notes it. `false` if the upload was confirmed or discarded meanwhile.
    async fn finish(self, writer: ObjectWriter) -> Result<bool, Fault> {
        let content = writer.finish().await?;
        let noted = self.store.note_received(&self.caller, self.id, self.object, content).await;
        // After any other fault, the row may exist nevertheless.
        if matches!(noted, Ok(false) | Err(Fault::SessionEnded)) {
            self.blobs.delete(self.object, Location::Pending).await?;
        }
        noted
    }
}

/// `GET /blobs/down/{token}`: 200, 206 or 304, or 401 for an invalid URL, 404, 412, 416.
///
/// Statuses: 200, 206, 304, 401 `unauthenticated`, 404 `not_found`, 412 `precondition_failed`, 416
/// `range_not_satisfiable`, 503 `no_blobs`.
pub(in crate::http) async fn get(
    state: web::Data<State>,
    request: HttpRequest,
    token: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let blobs = state.blob_store()?;
    let found = state.auth.caller_of_url(UrlPurpose::Download, &token).await?;
    let (caller, grant) = found.ok_or_else(ApiError::invalid_presigned_url)?;
    cors::note_app(&request, caller.app);
    let blob = state.store.find_blob(caller.log, grant.target.hash).await?;
    // A blob that was removed and uploaded again is another one.
    let blob = blob.filter(|blob| blob.object == grant.target.id).ok_or_else(ApiError::not_found)?;
    let tag = EntityTag::new_strong(blob.object.simple().to_string());
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::CONTENT_TYPE, "application/octet-stream"))
        .insert_header((header::CONTENT_DISPOSITION, "attachment"))
        // A browser that shows it nevertheless runs no script in it.
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'; frame-ancestors 'none'",
        ))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header(header::ETag(tag.clone()));
    let range = match selection(&request, &tag, blob.size_bytes)? {
        Selection::NotModified => return Ok(answer.status(StatusCode::NOT_MODIFIED).finish()),
        Selection::Whole => 0..blob.size_bytes,
        Selection::Part(range) => {
            answer.status(StatusCode::PARTIAL_CONTENT).insert_header(header::ContentRange(
                ContentRangeSpec::Bytes {
                    range: Some((range.start, range.end - 1)),
                    instance_length: Some(blob.size_bytes),
                },
            ));
            range
        }
    };
    let length = range.end - range.start;
    // The object need not be read for a body that is not sent.
    if request.method() == Method::HEAD {
        return Ok(answer.body(SizedStream::new(length, stream::empty::<Result<Bytes, Fault>>())));
    }
    let mut permit = state.transfers.permit_for(caller.log);
    permit.grow_to(BlobStore::DOWNLOAD_MEMORY.min(usize::try_from(length).unwrap_or(usize::MAX))).await?;
    let mut chunks = blobs.read(blob.object, range);
    // The first chunk before the head of the answer, which must not announce an object that cannot be read.
    let first = match chunks.next().await {
        Some(first) => Some(Ok(first?)),
        None => None,
    };
    let body = stream::iter(first).chain(chunks).map(holding(permit));
    Ok(answer.body(SizedStream::new(length, body)))
}

/// Holds the memory of a download until it ends.
fn holding(permit: MemoryPermit) -> impl FnMut(Result<Bytes, Fault>) -> Result<Bytes, Fault> {
    move |chunk| {
        let _held = &permit;
        chunk.inspect_err(|fault| tracing::warn!(%fault, "a download was aborted"))
    }
}

/// The part of a blob that a request selects.
enum Selection {
    /// Nothing, since the client already has it.
    NotModified,
    /// All of it.
    Whole,
    /// These bytes, at least one.
    Part(Range<u64>),
}

/// Evaluates the conditions and the range of a request (RFC 9110, sections 13 and 14). As the RFC allows, several
/// ranges are answered with the whole, and so is an invalid one.
fn selection(request: &HttpRequest, tag: &EntityTag, size_bytes: u64) -> Result<Selection, ApiError> {
    let has = |name: header::HeaderName| request.headers().contains_key(name);
    if has(header::IF_MATCH) {
        let matches = match IfMatch::parse(request) {
            Ok(IfMatch::Any) => true,
            Ok(IfMatch::Items(tags)) => tags.iter().any(|expected| expected.strong_eq(tag)),
            Err(_) => false,
        };
        if !matches {
            return Err(ApiError::precondition_failed());
        }
    }
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) if has(header::IF_NONE_MATCH) => return Ok(Selection::NotModified),
        Ok(IfNoneMatch::Items(tags)) if tags.iter().any(|had| had.weak_eq(tag)) => {
            return Ok(Selection::NotModified);
        }
        _ => {}
    }
    let is_other = |condition: IfRange| match condition {
        IfRange::EntityTag(expected) => !expected.strong_eq(tag),
        IfRange::Date(_) => true,
    };
    if !has(header::RANGE) || (has(header::IF_RANGE) && IfRange::parse(request).map_or(true, is_other)) {
        return Ok(Selection::Whole);
    }
    let ranges = match header::Range::parse(request) {
        Ok(header::Range::Bytes(ranges)) => ranges,
        _ => return Ok(Selection::Whole),
    };
    match &ranges[..] {
        [range] => part(range, size_bytes),
        _ => Ok(Selection::Whole),
    }
}

fn part(range: &ByteRangeSpec, size_bytes: u64) -> Result<Selection, ApiError> {
    let (first, last) =
        range.to_satisfiable_range(size_bytes).ok_or_else(|| ApiError::range_not_satisfiable(size_bytes))?;
    Ok(Selection::Part(first..last + 1))
}
