//! Rewriting responses as JSON values.

use serde_json::Value;

use super::{Request, Response};

/// A request to the API.
pub struct JsonRequest {
    /// In upper case.
    pub method: String,
    /// Without `/api/sync`.
    pub path: String,
    /// Null if there is none.
    pub body: Value,
}

/// The server's response, for a test to alter.
pub struct JsonResponse {
    /// HTTP status.
    pub status: u16,
    /// Null if there is none.
    pub body: Value,
}

/// Adapts a rewrite of JSON to a rewrite of bytes. Bodies that are neither JSON nor empty pass unchanged.
pub(super) fn adapt(
    mut rewrite: impl FnMut(&JsonRequest, &mut JsonResponse) + Send,
) -> impl FnMut(&Request, &mut Response) + Send {
    move |request, response| {
        let Some(body) = parse(&response.body) else { return };
        let path = request.path.strip_prefix("/api/sync").unwrap_or(&request.path).to_owned();
        let request_body = parse(&request.body).unwrap_or_default();
        let request = JsonRequest { method: request.method.clone(), path, body: request_body };
        let mut json = JsonResponse { status: response.status, body };
        rewrite(&request, &mut json);
        response.status = json.status;
        response.body = if json.body.is_null() { Vec::new() } else { json.body.to_string().into_bytes() };
    }
}

fn parse(bytes: &[u8]) -> Option<Value> {
    if bytes.is_empty() { Some(Value::Null) } else { serde_json::from_slice(bytes).ok() }
}
