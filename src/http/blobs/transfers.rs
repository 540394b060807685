//! `/blobs/up/{token}` and `/blobs/down/{token}`: the bytes themselves, where they pass through this server.
//!
//! The address is the authority: it says what may be sent or fetched, and for whom. What comes in is bounded by what was
//! granted, whatever the request announces.

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

use crate::auth::urls::Purpose;
use crate::blobs::{Blobs, Bytes, Incoming};
use crate::error::Fault;
use crate::http::State;
use crate::http::api_error::ApiError;
use crate::http::cors;
use crate::http::memory::Room;
use crate::model::blobs::{Place, is_size_of};
use crate::model::sessions::Caller;
use crate::store::Store;

/// How long the next bytes may take to arrive. There is no bound on the whole: a slow line is no fault.
const PATIENCE: Duration = Duration::from_secs(30);

pub(in crate::http) async fn put(
    state: web::Data<State>,
    request: HttpRequest,
    token: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let blobs = state.blobs()?;
    let found = state.auth.caller_of_url(Purpose::Upload, &token).await?;
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
    let mut room = state.transfers.room_of(caller.log);
    room.grow_to(blobs.upload_memory(max_bytes).min(usize::try_from(max_bytes).unwrap_or(usize::MAX)))
        .await?;
    // A name for each attempt: one that was cut off and goes on unnoticed must not meet the next.
    let object = Uuid::new_v4();
    let mut incoming = blobs.receive(object, max_bytes).await?;
    take_in(&mut incoming, payload, max_bytes).await?;
    if !is_size_of(size_bytes, incoming.bytes()) {
        return Err(ApiError::blob_mismatch());
    }
    let receipt = Receipt { store: state.store.clone(), blobs: blobs.clone(), caller, id, object };
    // A task of its own: a client that leaves now must not leave an object without its row.
    let noted = tokio::spawn(receipt.note(incoming)).await.map_err(Fault::internal)??;
    if noted { Ok(HttpResponse::Ok().finish()) } else { Err(ApiError::not_found()) }
}

/// Passes on what arrives, up to this many bytes.
async fn take_in(incoming: &mut Incoming, mut payload: web::Payload, max_bytes: u64) -> Result<(), ApiError> {
    loop {
        let some = timeout(PATIENCE, payload.next()).await.map_err(|_| ApiError::incomplete_body())?;
        let Some(some) = some else { return Ok(()) };
        let some = some.map_err(|_| ApiError::incomplete_body())?;
        if incoming.bytes() + some.len() as u64 > max_bytes {
            return Err(ApiError::blob_mismatch());
        }
        incoming.write(some).await?;
    }
}

/// An upload whose bytes have all come.
struct Receipt {
    store: Store,
    blobs: Blobs,
    caller: Arc<Caller>,
    id: Uuid,
    object: Uuid,
}

impl Receipt {
    /// Makes the object and notes it. `false`: the upload was confirmed or given up meanwhile.
    async fn note(self, incoming: Incoming) -> Result<bool, Fault> {
        let content = incoming.finish().await?;
        let noted = self.store.note_received(&self.caller, self.id, self.object, content).await;
        // After any other fault the row may be there all the same.
        if matches!(noted, Ok(false) | Err(Fault::SessionEnded)) {
            self.blobs.delete(self.object, Place::Pending).await?;
        }
        noted
    }
}

pub(in crate::http) async fn get(
    state: web::Data<State>,
    request: HttpRequest,
    token: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let blobs = state.blobs()?;
    let found = state.auth.caller_of_url(Purpose::Download, &token).await?;
    let (caller, grant) = found.ok_or_else(ApiError::invalid_presigned_url)?;
    cors::note_app(&request, caller.app);
    let blob = state.store.find_blob(caller.log, grant.target.hash).await?;
    // One that was removed and uploaded anew is another one.
    let blob = blob.filter(|blob| blob.object == grant.target.id).ok_or_else(ApiError::not_found)?;
    let tag = EntityTag::new_strong(blob.object.simple().to_string());
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::CONTENT_TYPE, "application/octet-stream"))
        .insert_header((header::CONTENT_DISPOSITION, "attachment"))
        // Whoever opens it in a browser all the same gets no script out of it.
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'; frame-ancestors 'none'",
        ))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header(header::ETag(tag.clone()));
    let range = match wanted(&request, &tag, blob.size_bytes)? {
        Wanted::Nothing => return Ok(answer.status(StatusCode::NOT_MODIFIED).finish()),
        Wanted::All => 0..blob.size_bytes,
        Wanted::Part(range) => {
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
    if request.method() == Method::HEAD {
        return Ok(answer.body(SizedStream::new(length, stream::empty::<Result<Bytes, Fault>>())));
    }
    let mut room = state.transfers.room_of(caller.log);
    room.grow_to(Blobs::DOWNLOAD_MEMORY.min(usize::try_from(length).unwrap_or(usize::MAX))).await?;
    let mut parts = blobs.read(blob.object, range);
    // The first of them before the head of the answer, which must not promise what is not there.
    let first = match parts.next().await {
        Some(first) => Some(Ok(first?)),
        None => None,
    };
    let body = stream::iter(first).chain(parts).map(holding(room));
    Ok(answer.body(SizedStream::new(length, body)))
}

/// Holds the memory of a download until it ends.
fn holding(room: Room) -> impl FnMut(Result<Bytes, Fault>) -> Result<Bytes, Fault> {
    move |part| {
        let _held = &room;
        part.inspect_err(|fault| tracing::warn!(%fault, "a download was broken off"))
    }
}

/// What a request for a blob wants of it.
enum Wanted {
    /// It has it.
    Nothing,
    /// The whole.
    All,
    /// These bytes, one at least.
    Part(Range<u64>),
}

/// What the conditions and the range of a request come to (RFC 9110, 13 and 14). Only one range is given, as anyone may ignore
/// more; and a range that makes no sense is ignored, as the same says.
fn wanted(request: &HttpRequest, tag: &EntityTag, size_bytes: u64) -> Result<Wanted, ApiError> {
    let has = |name: header::HeaderName| request.headers().contains_key(name);
    if has(header::IF_MATCH) {
        let matches = match IfMatch::parse(request) {
            Ok(IfMatch::Any) => true,
            Ok(IfMatch::Items(tags)) => tags.iter().any(|wanted| wanted.strong_eq(tag)),
            Err(_) => false,
        };
        if !matches {
            return Err(ApiError::precondition_failed());
        }
    }
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) if has(header::IF_NONE_MATCH) => return Ok(Wanted::Nothing),
        Ok(IfNoneMatch::Items(tags)) if tags.iter().any(|had| had.weak_eq(tag)) => {
            return Ok(Wanted::Nothing);
        }
        _ => {}
    }
    let is_other = |condition: IfRange| match condition {
        IfRange::EntityTag(wanted) => !wanted.strong_eq(tag),
        IfRange::Date(_) => true,
    };
    if !has(header::RANGE) || (has(header::IF_RANGE) && IfRange::parse(request).map_or(true, is_other)) {
        return Ok(Wanted::All);
    }
    let ranges = match header::Range::parse(request) {
        Ok(header::Range::Bytes(ranges)) => ranges,
        _ => return Ok(Wanted::All),
    };
    match &ranges[..] {
        [range] => part(range, size_bytes),
        _ => Ok(Wanted::All),
    }
}

fn part(range: &ByteRangeSpec, size_bytes: u64) -> Result<Wanted, ApiError> {
    let (first, last) =
        range.to_satisfiable_range(size_bytes).ok_or_else(|| ApiError::range_not_satisfiable(size_bytes))?;
    Ok(Wanted::Part(first..last + 1))
}
