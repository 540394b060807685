//! `GET /.well-known/oauth-authorization-server` (RFC 8414): the endpoints, for clients that discover them.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use tidelog_protocol::{GRANT_AUTHORIZATION_CODE, GRANT_JWT_BEARER, GRANT_REFRESH_TOKEN};

use crate::http::State;

/// Returns the metadata.
///
/// Statuses: 200.
pub(in crate::http) async fn metadata(state: web::Data<State>, http: HttpRequest) -> HttpResponse {
    let at = |path| state.site.url(&http, path);
    HttpResponse::Ok().json(json!({
        "issuer": at(""),
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "userinfo_endpoint": at("/oauth/userinfo"),
        "revocation_endpoint": at("/oauth/revoke"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [GRANT_AUTHORIZATION_CODE, GRANT_REFRESH_TOKEN, GRANT_JWT_BEARER],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": true,
    }))
}
