//! Host validation: requests must name this server by one of its own names.
//!
//! By DNS rebinding, a web page can make its visitors' browsers call a server in their own network as if it were part
//! of the page's site. Such requests still carry the host name of the page.

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

/// Refuses requests for unknown hosts with 421.
pub async fn known_hosts_only(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let front = request.app_data::<web::Data<Front>>();
    let is_known = front.is_some_and(|front| front.knows_hosts_of(request.request()));
    if is_known {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    }
    let response = ApiError::unknown_host().error_response();
    Ok(request.into_response(response).map_into_right_body())
}

/// The origin by which the client reaches this server: `http://host:port`, or `https://…` if a trusted proxy says so.
pub(super) fn origin(request: &HttpRequest) -> String {
    let own = || request.app_config().host().to_owned();
    let headers = request.headers();
    let front = request.app_data::<web::Data<Front>>();
    let trusted = front.filter(|front| front.peers.trusts_sender_of(request));
    let forwarded =
        trusted.and_then(|front| last(headers, &FORWARDED_HOST).filter(|host| front.hosts.contains(host)));
    let host = forwarded.or_else(|| last(headers, &header::HOST)).map_or_else(own, str::to_owned);
    let is_https = trusted.is_some() && last(headers, &FORWARDED_PROTO).is_some_and(|it| it == "https");
    format!("{}://{host}", if is_https { "https" } else { "http" })
}

/// The last value of a header: that of the nearest proxy.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get_all(name).last()?.to_str().ok()?.rsplit(',').next()?.trim();
    Some(value).filter(|value| !value.is_empty())
}

impl Front {
    /// Whether every host that the request names is known. A request that names none was not sent by a browser.
    fn knows_hosts_of(&self, request: &HttpRequest) -> bool {
        let target =
            request.uri().authority().is_none_or(|authority| self.hosts.contains(authority.as_str()));
        target
            && request
                .headers()
                .get_all(header::HOST)
                .all(|host| host.to_str().is_ok_and(|host| host.is_empty() || self.hosts.contains(host)))
    }
}
