//! `/subscribe`: being told of news instead of asking for it.

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

use self::stream::{EventStream, Rhythm};
use super::State;
use super::api_error::ApiError;
use super::request::Signed;
use crate::error::Fault;
use crate::model::notifications::{Found, Since};
use crate::notify::{Full, Subscriber};

/// What a browser sends when it reconnects: the id of the last event that it got.
const LAST_EVENT_ID: &str = "last-event-id";
/// How long a browser is to wait before it reconnects.
const RETRY: Duration = Duration::from_secs(3);

pub(super) async fn subscribe(
    state: web::Data<State>,
    request: HttpRequest,
    Signed { caller, token_expires_at, .. }: Signed<()>,
) -> Result<HttpResponse, ApiError> {
    let Query { app, since } = query(&request)?;
    if app != caller.app {
        return Err(ApiError::wrong_app());
    }
    let subscriber = Subscriber { log: caller.log, session: caller.session, device: since.device };
    // First listen, then look: what is committed in between is heard of twice, and told once.
    let subscription = state.subscribers.subscribe(subscriber).map_err(|full| refuse(&state, full))?;
    let epoch = match state.store.find_news(&caller, since).await? {
        Found::Log { newest_seq, has_missed, epoch } => {
            if let Some(has_missed) = has_missed {
                subscription.catch_up(newest_seq, has_missed);
            }
            epoch
        }
        Found::UnknownDevice => return Err(ApiError::not_found()),
        Found::LogRewound(resume_from) => return Err(ApiError::log_rewound(resume_from)),
    };
    let heartbeat = Duration::from_secs(state.limits.heartbeat_seconds.into());
    let rhythm = Rhythm::new(state.clock.clone(), heartbeat, token_expires_at);
    let format = caller.cursor_format;
    let cursor = move |seq| Cursor::formatted(seq, epoch, format);
    let events = EventStream::new(subscription, rhythm, cursor);
    Ok(answer(&request, Sse::from_infallible_stream(events).with_retry_duration(RETRY)))
}

fn answer(request: &HttpRequest, events: impl MessageBody + 'static) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CONTENT_TYPE, "text/event-stream"));
    // nginx would keep events back until they fill a buffer.
    answer.insert_header(("X-Accel-Buffering", "no"));
    // And it speaks the old version by default, which knows no chunks: there, the end of the connection is that of the body.
    let is_old = request.version() < Version::HTTP_11;
    if is_old {
        answer.force_close();
    }
    let mut answer = answer.body(events);
    answer.head_mut().no_chunking(is_old);
    answer
}

struct Query {
    app: Uuid,
    since: Since,
}

fn query(request: &HttpRequest) -> Result<Query, ApiError> {
    #[derive(Deserialize)]
    struct Given {
        app_id: Option<String>,
        device_id: Option<String>,
        cursor: Option<String>,
    }
    let given = web::Query::<Given>::from_query(request.query_string());
    let given = given.map_err(|error| ApiError::invalid_field("query", error))?;
    let missing = || ApiError::invalid_field("app_id", "it is missing");
    let app = id("app_id", given.app_id.as_deref().ok_or_else(missing)?)?;
    let device = given.device_id.as_deref().map(|text| id("device_id", text)).transpose()?;
    let last_heard = request.headers().get(LAST_EVENT_ID).filter(|value| !value.is_empty());
    let cursor = match last_heard {
        // It is newer than what the address was made with.
        Some(value) => Some(cursor("Last-Event-ID", value.to_str().unwrap_or("not ASCII"))?),
        None => given.cursor.as_deref().map(|text| cursor("cursor", text)).transpose()?,
    };
    Ok(Query { app, since: Since { device, cursor } })
}

fn id(field: &str, text: &str) -> Result<Uuid, ApiError> {
    Uuid::parse_str(text).map_err(|_| ApiError::invalid_field(field, "it must be a UUID"))
}

fn cursor(field: &str, text: &str) -> Result<Cursor, ApiError> {
    text.parse().map_err(|reason| ApiError::invalid_field(field, reason))
}

fn refuse(state: &State, full: Full) -> ApiError {
    match full {
        Full::Log => ApiError::too_many_streams(state.limits.max_streams_per_user),
        Full::Server => ApiError::too_many_streams_in_total(),
        Full::Stopping => Fault::Unavailable("the server is shutting down").into(),
    }
}
