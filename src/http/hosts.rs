//! Answers only to names that are this server's.
//!
//! A page on the web can make its visitors' browsers call a server in their own network, as if both were one site, by pointing its name
//! there. What such a request cannot do is bear another name.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, ResponseError, web};

use super::Front;
use super::api_error::ApiError;

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Turns away requests to names that the server does not know.
pub async fn known_only(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let front = request.app_data::<web::Data<Front>>();
    let is_known = front.is_some_and(|front| front.is_meant(request.request()));
    if is_known {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    }
    let response = ApiError::unknown_host().error_response();
    Ok(request.into_response(response).map_into_right_body())
}

/// How the client reaches this server: `http://host:port`, or `https://…` if a proxy that is trusted says so.
pub(super) fn origin(request: &HttpRequest) -> String {
    let own = || request.app_config().host().to_owned();
    let headers = request.headers();
    let front = request.app_data::<web::Data<Front>>();
    let trusted = front.filter(|front| front.peers.trusts_sender_of(request));
    let forwarded =
        trusted.and_then(|front| last(headers, &FORWARDED_HOST).filter(|host| front.hosts.knows(host)));
    let host = forwarded.or_else(|| last(headers, &header::HOST)).map_or_else(own, str::to_owned);
    let is_https = trusted.is_some() && last(headers, &FORWARDED_PROTO).is_some_and(|it| it == "https");
    format!("{}://{host}", if is_https { "https" } else { "http" })
}

/// What the nearest proxy said.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let said = headers.get_all(name).last()?.to_str().ok()?.rsplit(',').next()?.trim();
    Some(said).filter(|said| !said.is_empty())
}

impl Front {
    /// Whether every name that the request bears is known. One without any comes from no browser.
    fn is_meant(&self, request: &HttpRequest) -> bool {
        let target = request.uri().authority().is_none_or(|authority| self.hosts.knows(authority.as_str()));
        target
            && request
                .headers()
                .get_all(header::HOST)
                .all(|host| host.to_str().is_ok_and(|host| host.is_empty() || self.hosts.knows(host)))
    }
}
