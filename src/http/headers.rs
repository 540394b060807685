//! Headers of every answer: what browsers are not to do with it.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web;

use super::Front;

/// Other sites may neither embed an answer nor read it; those that an app lists read it by CORS, for which this says nothing.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Where a handler sets nothing else. Pages name what they need of scripts, styles and forms.
const DEFAULTS: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (RESOURCE_POLICY, "same-origin"),
];

/// A year of TLS or nothing. It goes to browsers only through the proxy that speaks TLS: they ignore it elsewhere.
const STRICT_TRANSPORT: &str = "max-age=31536000";

/// Adds them where they are missing.
///
/// # Errors
/// Those of what comes after it.
pub async fn on_every_answer(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let is_https = request.app_data::<web::Data<Front>>().is_some_and(|front| front.is_https);
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    let transport = is_https.then_some((header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT));
    for (name, value) in DEFAULTS.into_iter().chain(transport) {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    Ok(response)
}
