//! Requests to the API, and the responses.

use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::Duration;

use reqwest::Method;
use reqwest::blocking::{Body, Client, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::redirect::Policy;
use serde_json::Value;

use super::Contract;

/// A request that takes longer than this hangs.
const TIMEOUT: Duration = Duration::from_secs(60);

static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    Client::builder().timeout(TIMEOUT).no_proxy().redirect(Policy::none()).build().expect("an HTTP client")
});

/// A server's URL. It changes when the server is started again, and all clones change with it.
#[derive(Clone, Default)]
pub struct Origin(Arc<RwLock<String>>);

impl Origin {
    /// Returns the URL, like `http://127.0.0.1:4711`.
    pub fn url(&self) -> String {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, url: &str) {
        url.clone_into(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A client of the API, with or without a token.
#[derive(Clone)]
pub struct Caller {
    origin: Origin,
    token: Option<String>,
    /// Sent with every request.
    headers: HeaderMap,
}

impl Caller {
    pub(crate) fn new(origin: Origin, token: Option<String>) -> Self {
        Self { origin, token, headers: HeaderMap::new() }
    }

    /// Returns the same caller with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// Returns the same caller with another header on every request.
    pub fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.headers.insert(name, value.parse().expect("a header's value"));
        changed
    }

    /// Returns the same caller as if a proxy forwarded its requests from this client IP.
    pub fn forwarded_for(&self, address: &str) -> Self {
        self.with_header("x-forwarded-for", address)
    }

    /// Returns the server's URL.
    pub(crate) fn url(&self) -> String {
        self.origin.url()
    }

    /// Returns the caller's token.
    pub fn token(&self) -> &str {
        self.token.as_deref().expect("this caller has signed in")
    }

    /// Sends a GET request.
    pub fn get(&self, path: &str) -> ApiResponse {
        self.call(Method::GET, path, None)
    }

    /// Sends a POST request with a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> ApiResponse {
        self.call(Method::POST, path, Some(body))
    }

    /// Sends a PUT request with a JSON body.
    pub fn put(&self, path: &str, body: &Value) -> ApiResponse {
        self.call(Method::PUT, path, Some(body))
    }

    /// Sends a DELETE request.
    pub fn delete(&self, path: &str) -> ApiResponse {
        self.call(Method::DELETE, path, None)
    }

    /// Sends a request of any method, with or without a JSON body.
    pub fn call(&self, method: Method, path: &str, body: Option<&Value>) -> ApiResponse {
        self.try_call(method, path, body).unwrap_or_else(|fault| panic!("no response to {path}: {fault}"))
    }

    /// Like [`Self::call`], for a server that may be killed meanwhile.
    pub fn try_call(&self, method: Method, path: &str, body: Option<&Value>) -> reqwest::Result<ApiResponse> {
        let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
        self.try_send(
            method,
            path,
            body.as_ref().map(|(kind, _)| *kind),
            body.as_ref().map(|(_, bytes)| &bytes[..]),
        )
    }

    /// Sends any bytes with any content type.
    pub fn send(&self, method: Method, path: &str, kind: Option<&str>, body: &[u8]) -> ApiResponse {
        self.try_send(method, path, kind, Some(body))
            .unwrap_or_else(|fault| panic!("no response to {path}: {fault}"))
    }

    fn try_send(
        &self,
        method: Method,
        path: &str,
        kind: Option<&str>,
        body: Option<&[u8]>,
    ) -> reqwest::Result<ApiResponse> {
        let mut request = CLIENT.request(method.clone(), format!("{}{path}", self.origin.url()));
        request = request.headers(self.headers.clone());
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        if let Some(body) = body {
            request = request.body(Body::from(body.to_vec()));
        }
        ApiResponse::read(&method, path, request.send()?, true)
    }
}

fn is_stream(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream")
}

/// A response, read completely.
#[derive(Clone, Debug)]
pub struct ApiResponse {
    request: String,
    /// HTTP status.
    pub status: u16,
    /// Response headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl ApiResponse {
    /// Reads a response, and checks it against the OpenAPI document if it comes from this server.
    pub(crate) fn read(
        method: &Method,
        path: &str,
        response: Response,
        is_ours: bool,
    ) -> reqwest::Result<Self> {
        let read_response = Self {
            request: format!("{method} {path}"),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            // An event stream has no end to wait for; tests read streams through `Caller::open_stream`.
            body: if is_stream(&response) { Vec::new() } else { response.bytes()?.to_vec() },
        };
        if is_ours {
            Contract::check(method, path, &read_response);
        }
        Ok(read_response)
    }

    /// Returns the bytes of the body. Fails the test if the status is another.
    #[track_caller]
    pub fn expect_bytes(&self, status: u16) -> Vec<u8> {
        assert_eq!(self.status, status, "{} answered {}", self.request, self.text());
        self.body.clone()
    }

    /// Returns method and path of the request, for messages.
    pub fn request_line(&self) -> &str {
        &self.request
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|fault| {
            panic!("{}: the body is not JSON ({fault}): {}", self.request, self.text())
        })
    }

    /// Returns the value of a header. Fails the test if it is missing.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("{}: no header {name}", self.request));
        value.to_str().expect("a header is text")
    }

    /// Returns the body. Fails the test if the status is another.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{} answered {}", self.request, self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Returns the body. Fails the test if the status is not 200.
    #[track_caller]
    pub fn ok(&self) -> Value {
        self.expect(200)
    }

    /// Returns the body. Fails the test if status or error code are others.
    #[track_caller]
    pub fn expect_error(&self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{} was refused with another code: {body}", self.request);
        body
    }
}
