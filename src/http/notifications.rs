//! `GET /subscribe`: an event stream that tells a client when to pull.

mod stream;

use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::http::Version;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_lab::sse::Sse;
use serde::Deserialize;
use tidelog_protocol::Cursor;
use uuid::Uuid;

use self::stream::{EventStream, Heartbeat};
use super::State;
use super::api_error::ApiError;
use super::request::SessionRequest;
use crate::error::Fault;
use crate::model::notifications::{StreamStart, StreamStartOutcome};
use crate::notify::{SubscribeError, Subscriber};

/// What a browser sends when it reconnects: the id of the last event that it received.
const LAST_EVENT_ID: &str = "last-event-id";
/// How long a browser should wait before it reconnects.
const RETRY_DELAY: Duration = Duration::from_secs(3);

/// 200 with an endless body. 400: an invalid parameter. 403: another app's session. 404: no such device. 409: the
/// cursor comes from a lost history. 429: too many streams of one user. 503: too many of all, or the server is
/// shutting down.
///
/// Statuses: 200, 401 `unauthenticated`, 403 `wrong_app`, 404 `not_found`, 409 `log_rewound`, 422 `invalid_field`,
/// 429 `rate_limited`.
pub(super) async fn subscribe(
    state: web::Data<State>,
    request: HttpRequest,
    SessionRequest { caller, token_expires_at, .. }: SessionRequest<()>,
) -> Result<HttpResponse, ApiError> {
    let SubscribeQuery { app, start } = parse_query(&request)?;
    if app != caller.app {
        return Err(ApiError::wrong_app());
    }
    let subscriber = Subscriber { log: caller.log, session: caller.session, device: start.device };
    // Subscribe first, then read the log: what is committed in between is seen twice, and sent once.
    let subscription = state.subscribers.subscribe(subscriber).map_err(|error| refuse(&state, error))?;
    let epoch = match state.store.find_stream_start(&caller, start).await? {
        StreamStartOutcome::Found { newest_seq, has_missed, epoch } => {
            if let Some(has_missed) = has_missed {
                subscription.start_at(newest_seq, has_missed);
            }
            epoch
        }
        StreamStartOutcome::UnknownDevice => return Err(ApiError::not_found()),
        StreamStartOutcome::LogRewound(resume_from) => return Err(ApiError::log_rewound(resume_from)),
    };
    let interval = Duration::from_secs(state.limits.heartbeat_seconds.into());
    let heartbeat = Heartbeat::new(state.clock.clone(), interval, token_expires_at);
    let format = caller.cursor_format;
    let cursor = move |seq| Cursor::formatted(seq, epoch, format);
    let events = EventStream::new(subscription, heartbeat, cursor);
    Ok(respond(&request, Sse::from_infallible_stream(events).with_retry_duration(RETRY_DELAY)))
}

fn respond(request: &HttpRequest, events: impl MessageBody + 'static) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "text/event-stream"));
    // Otherwise nginx holds events back until they fill a buffer.
    response.insert_header(("X-Accel-Buffering", "no"));
    // nginx speaks HTTP/1.0 by default, which has no chunked encoding: there, the body ends with the connection.
    let is_http_1_0 = request.version() < Version::HTTP_11;
    if is_http_1_0 {
        response.force_close();
    }
    let mut response = response.body(events);
    response.head_mut().no_chunking(is_http_1_0);
    response
}

struct SubscribeQuery {
    app: Uuid,
    start: StreamStart,
}

fn parse_query(request: &HttpRequest) -> Result<SubscribeQuery, ApiError> {
    #[derive(Deserialize)]
    struct Parameters {
        app_id: Option<String>,
        device_id: Option<String>,
        cursor: Option<String>,
    }
    let query = web::Query::<Parameters>::from_query(request.query_string());
    let query = query.map_err(|error| ApiError::invalid_field("query", error))?;
    let missing = || ApiError::invalid_field("app_id", "it is missing");
    let app = id("app_id", query.app_id.as_deref().ok_or_else(missing)?)?;
    let device = query.device_id.as_deref().map(|text| id("device_id", text)).transpose()?;
    let last_event = request.headers().get(LAST_EVENT_ID).filter(|value| !value.is_empty());
    let cursor = match last_event {
        // It is newer than the cursor in the URL.
        Some(value) => Some(cursor("Last-Event-ID", value.to_str().unwrap_or("not ASCII"))?),
        None => query.cursor.as_deref().map(|text| cursor("cursor", text)).transpose()?,
    };
    Ok(SubscribeQuery { app, start: StreamStart { device, cursor } })
}

fn id(field: &str, text: &str) -> Result<Uuid, ApiError> {
    Uuid::parse_str(text).map_err(|_| ApiError::invalid_field(field, "it must be a UUID"))
}

fn cursor(field: &str, text: &str) -> Result<Cursor, ApiError> {
    text.parse().map_err(|reason| ApiError::invalid_field(field, reason))
}

fn refuse(state: &State, error: SubscribeError) -> ApiError {
    match error {
        SubscribeError::LogLimit => ApiError::too_many_streams(state.limits.max_streams_per_user),
        SubscribeError::ServerLimit => ApiError::too_many_streams_in_total(),
        SubscribeError::ShuttingDown => Fault::Unavailable("the server is shutting down").into(),
    }
}
