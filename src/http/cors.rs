//! CORS: which web pages may call the API, app by app.
//!
//! A preflight request does not say for which app it is, so it suffices that any app lists the page's origin. The
//! answer to the actual request can be read only if the caller's app lists it. CORS replaces no token, and cookies
//! are never allowed.

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

/// Paths besides the sync routes that web pages may call. The server's own pages, and the routes of accounts and
/// administration, are not open to other origins.
const OPEN_PATHS: [&str; 4] =
    ["/oauth/token", "/oauth/userinfo", "/oauth/revoke", "/.well-known/oauth-authorization-server"];

/// The methods of those routes.
const METHODS: &str = "GET, HEAD, POST, PUT, DELETE";
/// Request headers allowed in addition to those that are always allowed.
const ALLOWED_HEADERS: &str =
    "authorization, content-type, cache-control, last-event-id, range, if-range, if-match, if-none-match";
/// Response headers that scripts may read in addition to those that they always may.
const EXPOSED_HEADERS: &str = "retry-after, x-ratelimit-limit, x-ratelimit-remaining, etag, content-range, accept-ranges, \
                       content-disposition, www-authenticate";
/// How long browsers may cache the answer to a preflight, in seconds.
const MAX_AGE: &str = "600";

/// Answers preflights, and sets on every answer whether the page may read it.
pub async fn per_app(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let front = request.app_data::<web::Data<Front>>().cloned();
    let Some(front) = front.filter(|_| is_open(request.path())) else {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    };
    let origin = request.headers().get(header::ORIGIN).cloned();
    let apps = match origin.as_ref().and_then(|origin| origin.to_str().ok()) {
        Some(origin) => front.origins.apps_of(origin).await,
        None => Ok(Vec::new()),
    };
    let apps = match apps {
        Ok(apps) => apps,
        Err(fault) => {
            let response = ApiError::from(fault).error_response();
            return Ok(request.into_response(response).map_into_right_body());
        }
    };
    let is_preflight = *request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if is_preflight && !apps.is_empty() {
        let mut response = request.into_response(preflight()).map_into_right_body();
        set_headers(response.headers_mut(), origin);
        return Ok(response);
    }
    let mut response = next.call(request).await?.map_into_left_body();
    let app = response.request().extensions().get::<CallerApp>().map(|app| app.0);
    let may_read = app.map_or(!apps.is_empty(), |app| apps.contains(&app));
    set_headers(response.headers_mut(), origin.filter(|_| may_read));
    Ok(response)
}

/// Records the app of a request's caller: pages of other apps must not read the answer.
pub(super) fn note_app(request: &HttpRequest, app: Uuid) {
    request.extensions_mut().insert(CallerApp(app));
}

#[derive(Clone, Copy)]
struct CallerApp(Uuid);

fn is_open(path: &str) -> bool {
    let is_below = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    [SYNC_PREFIX, SYNC_PREFIX_V1].into_iter().any(is_below) || OPEN_PATHS.contains(&path)
}

fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE))
        .finish()
}

fn set_headers(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    // Also if no page may read the answer: caches must not serve it to other origins.
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
    }
}
