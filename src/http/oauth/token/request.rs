//! The body of a token request.

use actix_web::{HttpRequest, web};
use tidelog_protocol::TokenRequest;

use super::super::error::OAuthErrorResponse;
use crate::http::json;
use crate::http::request::{Kind, read_public};
use crate::model::authorization::Parameters;

/// Reads the request. A form is read as strictly as JSON: a field that appears twice has no value.
pub(super) async fn read(
    http: &HttpRequest,
    payload: web::Payload,
) -> Result<TokenRequest, OAuthErrorResponse> {
    let (body, kind) = read_public(http, payload.into_inner()).await?;
    if kind == Kind::Json {
        return Ok(json::parse(&body)?);
    }
    let form = Parameters::parse(&body);
    let field = |name| form.get(name).map(Into::into);
    Ok(TokenRequest {
        grant_type: field("grant_type"),
        client_id: field("client_id"),
        code: field("code"),
        redirect_uri: field("redirect_uri"),
        code_verifier: field("code_verifier"),
        refresh_token: field("refresh_token"),
        assertion: field("assertion"),
    })
}

/// A field that the grant requires.
pub(super) fn require<'a>(name: &str, field: Option<&'a String>) -> Result<&'a str, OAuthErrorResponse> {
    let missing = || OAuthErrorResponse::invalid_request(format!("{name} is missing or appears twice"));
    field.map(String::as_str).filter(|value| !value.is_empty()).ok_or_else(missing)
}
