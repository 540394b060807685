//! CORS: which web pages may call the API, app by app.
//!
//! A browser asks before it sends what only a program could (the preflight), when it does not yet say for whom; then any app that
//! lists the page's origin suffices. The answer itself can be read only where the app of the caller lists it. Nothing here
//! stands in for a token, and cookies are never asked for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use tidelog_protocol::{SYNC_PREFIX, SYNC_PREFIX_V1};
use uuid::Uuid;

use super::Front;
use super::api_error::ApiError;
use crate::error::Fault;
use crate::model::origins::allow;
use crate::notify::Event;
use crate::store::Store;

/// What programs call beside the sync routes. Pages, and what acts on accounts and servers, are for no other origin.
const PATHS: [&str; 4] =
    ["/oauth/token", "/oauth/userinfo", "/oauth/revoke", "/.well-known/oauth-authorization-server"];

/// Every method of those routes.
const METHODS: &str = "GET, HEAD, POST, PUT, DELETE";
/// What requests may carry beyond what any may.
const REQUEST_HEADERS: &str =
    "authorization, content-type, cache-control, last-event-id, range, if-range, if-match, if-none-match";
/// What scripts may read of answers beyond what they always may.
const EXPOSED: &str = "retry-after, x-ratelimit-limit, x-ratelimit-remaining, etag, content-range, accept-ranges, \
                       content-disposition, www-authenticate";
/// How long a browser may remember the answer to a preflight, in seconds.
const MAX_AGE: &str = "600";

/// Answers preflights, and says on every answer whether the page that asked may read it.
pub async fn per_app(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let front = request.app_data::<web::Data<Front>>().cloned();
    let Some(front) = front.filter(|_| is_open_to_pages(request.path())) else {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    };
    let origin = request.headers().get(header::ORIGIN).cloned();
    let listed = match origin.as_ref().and_then(|origin| origin.to_str().ok()) {
        Some(origin) => front.origins.apps_of(origin).await,
        None => Ok(Vec::new()),
    };
    let listed = match listed {
        Ok(listed) => listed,
        Err(fault) => {
            let response = ApiError::from(fault).error_response();
            return Ok(request.into_response(response).map_into_right_body());
        }
    };
    let is_preflight = *request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if is_preflight && !listed.is_empty() {
        let mut response = request.into_response(preflight()).map_into_right_body();
        admit(response.headers_mut(), origin);
        return Ok(response);
    }
    let mut response = next.call(request).await?.map_into_left_body();
    let app = response.request().extensions().get::<OfApp>().map(|of| of.0);
    let may_read = app.map_or(!listed.is_empty(), |app| listed.contains(&app));
    admit(response.headers_mut(), origin.filter(|_| may_read));
    Ok(response)
}

/// Notes whose app a request speaks for: no page of another app is to read the answer.
pub(super) fn note_app(request: &HttpRequest, app: Uuid) {
    request.extensions_mut().insert(OfApp(app));
}

#[derive(Clone, Copy)]
struct OfApp(Uuid);

fn is_open_to_pages(path: &str) -> bool {
    let is_below = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    [SYNC_PREFIX, SYNC_PREFIX_V1].into_iter().any(is_below) || PATHS.contains(&path)
}

fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE))
        .finish()
}

fn admit(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    // Also where nobody is admitted: what keeps answers must not show one page what another was told.
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}

/// The origins of all apps, in memory. Cheap to clone.
#[derive(Clone)]
pub(super) struct Origins(Arc<Cache>);

/// What each app lists.
type ByApp = HashMap<Uuid, Vec<String>>;

struct Cache {
    store: Store,
    /// `None`: stale.
    by_app: RwLock<Option<Arc<ByApp>>>,
    /// Raised with every change: what was read before one is not kept after it.
    generation: AtomicU64,
}

impl Origins {
    pub(super) fn new(store: Store) -> Self {
        Self(Arc::new(Cache { store, by_app: RwLock::default(), generation: AtomicU64::default() }))
    }

    /// Hears what a commit changed.
    pub(super) fn hear(&self, event: &Event) {
        if matches!(event, Event::AppsChanged | Event::Reopened) {
            let mut by_app = self.0.by_app.write().unwrap_or_else(PoisonError::into_inner);
            self.0.generation.fetch_add(1, Ordering::SeqCst);
            *by_app = None;
        }
    }

    /// The apps that list an origin.
    async fn apps_of(&self, origin: &str) -> Result<Vec<Uuid>, Fault> {
        let all = self.all().await?;
        Ok(all.iter().filter(|(_, origins)| allow(origins, origin)).map(|(app, _)| *app).collect())
    }

    async fn all(&self) -> Result<Arc<ByApp>, Fault> {
        let cache = &*self.0;
        if let Some(known) = &*cache.by_app.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(known.clone());
        }
        let seen = cache.generation.load(Ordering::SeqCst);
        let read = Arc::new(cache.store.list_origins().await?);
        let mut by_app = cache.by_app.write().unwrap_or_else(PoisonError::into_inner);
        if cache.generation.load(Ordering::SeqCst) == seen {
            *by_app = Some(read.clone());
        }
        Ok(read)
    }
}
