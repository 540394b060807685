//! The table of routes: method, path, handler, and who may call it.

use std::future::ready;

use actix_web::dev::HttpServiceFactory;
use actix_web::http::Method;
use actix_web::{Route, Scope, guard, web};

use super::accounts::{access, api, deletion, overview, password, two_factor as account_two_factor};
use super::api_error::ApiError;
use super::blobs::{self, transfers};
use super::oauth::{authorize, consent, icons, metadata, revoke, token, userinfo};
use super::rotations::blob_keys;
use super::sign_in::{credentials, forgot_password, two_factor};
use super::{
    admin, auth, changes, devices, export, health, keys, limits, notifications, openapi, rotations, sign_up,
};

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Public,
    /// Holders of the access token of a live session, within its own log.
    Session,
    /// Holders of the token of an account session, within their own account.
    AccountToken,
    /// Browsers with the cookie of an account session, through a form of a page that was shown to them.
    AccountCookie,
    /// Holders of an administrator's personal access token, within its app if it is limited to one.
    AdminToken,
    /// Holders of a presigned URL, as long as the session lives to which it was given.
    PresignedUrl,
}

/// One method of one path. Where it is GET, HEAD is answered as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The method.
    pub method: Method,
    /// The full path; for sync routes, the one under the unversioned prefix.
    pub path: String,
    /// Who may call it.
    pub access: Access,
}

/// A row of the tables below.
pub(super) struct RouteRow {
    method: Method,
    path: &'static str,
    access: Access,
    route: Route,
}

macro_rules! row {
    ($access:ident $method:ident $path:literal $handler:path) => {
        RouteRow {
            method: Method::$method,
            path: $path,
            access: Access::$access,
            route: route_of(Method::$method).to($handler),
        }
    };
}

#[rustfmt::skip]
pub(super) fn sync_routes() -> Vec<RouteRow> {
    vec![
        row!(Public        POST   "/auth"                  auth::sign_in),
        row!(Public        POST   "/auth/refresh"          auth::refresh),
        row!(Session       POST   "/auth/logout"           auth::sign_out),
        row!(Session       POST   "/auth/password"         auth::change_password),
        row!(Public        GET    "/limits"                limits::get),
        row!(Session       POST   "/devices"               devices::register),
        row!(Session       GET    "/devices"               devices::list),
        row!(Session       DELETE "/devices/{id}"          devices::remove),
        row!(Session       POST   "/push"                  changes::push),
        row!(Session       POST   "/pull"                  changes::pull),
        row!(Session       GET    "/status"                changes::status),
        row!(Session       GET    "/subscribe"             notifications::subscribe),
        row!(Session       GET    "/export"                export::export),
        row!(Session       DELETE "/data"                  export::delete),
        row!(Session       GET    "/keys"                  keys::get),
        row!(Session       PUT    "/keys"                  keys::put),
        row!(Session       GET    "/keys/rotate"           rotations::state),
        row!(Session       POST   "/keys/rotate/begin"     rotations::begin),
        row!(Session       POST   "/keys/rotate/entries"   rotations::entries),
        row!(Session       POST   "/keys/rotate/batch"     rotations::batch),
        row!(Session       POST   "/keys/rotate/complete"  rotations::complete),
        row!(Session       POST   "/keys/rotate/cancel"    rotations::cancel),
        row!(Session       POST   "/keys/rotate/blobs"     blob_keys::list),
        row!(Session       POST   "/keys/rotate/blobs/batch" blob_keys::batch),
        row!(Session       POST   "/blobs/upload"          blobs::upload),
        row!(Session       POST   "/blobs/confirm"         blobs::confirm),
        row!(Session       POST   "/blobs/download"        blobs::download),
        row!(Session       GET    "/blobs"                 blobs::list),
        row!(Session       DELETE "/blobs/{hash}"          blobs::remove),
        row!(PresignedUrl  PUT    "/blobs/up/{token}"      transfers::put),
        row!(PresignedUrl  GET    "/blobs/down/{token}"    transfers::get),
    ]
}

/// Path prefix of the routes for administrators.
pub(super) const ADMIN_PREFIX: &str = "/api/admin";

#[rustfmt::skip]
pub(super) fn admin_routes() -> Vec<RouteRow> {
    vec![
        row!(AdminToken    POST   "/apps/{id}/sessions"    admin::sessions::begin),
    ]
}

#[rustfmt::skip]
pub(super) fn root_routes() -> Vec<RouteRow> {
    vec![
        row!(Public        GET    "/health"            health::alive),
        row!(Public        GET    "/ready"             health::ready),
        row!(Public        GET    "/api/openapi.json"  openapi::get),
        row!(Public        GET    "/.well-known/oauth-authorization-server" metadata::metadata),
        row!(Public        GET    "/oauth/authorize"   authorize::authorize),
        row!(Public        GET    "/oauth/consent"     consent::show),
        row!(Public        POST   "/oauth/consent"     consent::submit),
        row!(Public        POST   "/oauth/token"       token::token),
        row!(Session       GET    "/oauth/userinfo"    userinfo::userinfo),
        row!(Public        POST   "/oauth/revoke"      revoke::revoke),
        row!(Public        GET    "/oauth/icons/{app}" icons::get),
        row!(Public        POST   "/sign-in"           credentials::submit),
        row!(Public        GET    "/two-factor"        two_factor::show),
        row!(Public        POST   "/two-factor"        two_factor::submit),
        row!(Public        GET    "/forgot-password"   forgot_password::show),
        row!(Public        POST   "/forgot-password"   forgot_password::submit),
        row!(Public        GET    "/sign-up"           sign_up::show_open),
        row!(Public        POST   "/sign-up"           sign_up::submit_open),
        row!(Public        GET    "/setup/{secret}"    sign_up::setup::show),
        row!(Public        POST   "/setup/{secret}"    sign_up::setup::submit),
        row!(Public        GET    "/invite/{secret}"   sign_up::invite::show),
        row!(Public        POST   "/invite/{secret}"   sign_up::invite::submit),
        row!(Public        GET    "/reset/{secret}"    sign_up::reset::show),
        row!(Public        POST   "/reset/{secret}"    sign_up::reset::submit),
        row!(Public        GET    "/account"           overview::show),
        row!(AccountCookie POST   "/account/sign-out"  overview::sign_out),
        row!(AccountCookie POST   "/account/password"  password::submit),
        row!(AccountCookie POST   "/account/two-factor" account_two_factor::submit),
        row!(AccountCookie POST   "/account/sessions/{id}" access::end_session),
        row!(AccountCookie POST   "/account/devices/{id}" access::remove_device),
        row!(Public        GET    "/account/export"    overview::export),
        row!(Public        GET    "/account/delete"    deletion::show),
        row!(AccountCookie POST   "/account/delete"    deletion::submit),
        row!(Public        POST   "/api/account/token" api::token),
        row!(AccountToken  GET    "/api/account"       api::show),
        row!(AccountToken  DELETE "/api/account"       api::delete),
        row!(AccountToken  POST   "/api/account/logout" api::sign_out),
        row!(AccountToken  POST   "/api/account/password" api::password),
        row!(AccountToken  POST   "/api/account/two-factor" api::enrol),
        row!(AccountToken  DELETE "/api/account/two-factor" api::disable),
        row!(AccountToken  POST   "/api/account/two-factor/confirm" api::confirm),
        row!(AccountToken  POST   "/api/account/recovery-codes" api::recovery_codes),
        row!(AccountToken  GET    "/api/account/export" api::export),
        row!(AccountToken  GET    "/api/account/sessions" api::sessions),
        row!(AccountToken  DELETE "/api/account/sessions/{id}" api::end_session),
        row!(AccountToken  GET    "/api/account/devices" api::devices),
        row!(AccountToken  DELETE "/api/account/devices/{id}" api::remove_device),
    ]
}

/// Lists all routes, for tests that must cover every one.
pub fn endpoints() -> Vec<Endpoint> {
    let under = |prefix: &str, rows: Vec<RouteRow>| {
        let endpoint = |row: RouteRow| Endpoint {
            method: row.method,
            path: format!("{prefix}{}", row.path),
            access: row.access,
        };
        rows.into_iter().map(endpoint).collect::<Vec<_>>()
    };
    [
        under(tidelog_protocol::SYNC_PREFIX, sync_routes()),
        under(ADMIN_PREFIX, admin_routes()),
        under("", root_routes()),
    ]
    .concat()
}

/// Mounts routes: one resource per path, so that a known path with another method gets 405 and not 404.
pub(super) fn mount(scope: Scope, mut rows: Vec<RouteRow>) -> impl HttpServiceFactory {
    let mut scope = scope.default_service(web::to(unknown_path));
    while let Some(first) = rows.first() {
        let path = first.path;
        let (same_path, rest): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.path == path);
        rows = rest;
        let methods = same_path.iter().flat_map(|row| allowed_with(&row.method));
        let allowed = methods.collect::<Vec<_>>().join(", ");
        let method_not_allowed = move || ready(ApiError::method_not_allowed(&allowed));
        let resource = web::resource(path).default_service(web::to(method_not_allowed));
        scope =
            scope.service(same_path.into_iter().fold(resource, |resource, row| resource.route(row.route)));
    }
    scope
}

/// A route for requests with this method, and with HEAD as well if it is GET (RFC 9110, section 9.1); the middleware
/// `head_requests` sees to it that the answer has no body.
fn route_of(method: Method) -> Route {
    match method {
        Method::GET => web::route().guard(guard::Any(guard::Get()).or(guard::Head())),
        other => web::method(other),
    }
}

/// The methods that a route answers.
fn allowed_with(method: &Method) -> Vec<String> {
    let with_head = (*method == Method::GET).then_some(Method::HEAD);
    std::iter::once(method).chain(&with_head).map(Method::to_string).collect()
}

async fn unknown_path() -> ApiError {
    ApiError::not_found()
}
