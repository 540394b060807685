//! Calls over HTTP, and the answers to them.

use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::Duration;

use reqwest::Method;
use reqwest::blocking::{Body, Client, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::redirect::Policy;
use serde_json::Value;

use super::Contract;

/// A call that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(60);

static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    Client::builder().timeout(PATIENCE).no_proxy().redirect(Policy::none()).build().expect("an HTTP client")
});

/// Where a server listens. It changes when the server is started again, and every copy of this follows.
#[derive(Clone, Default)]
pub struct Origin(Arc<RwLock<String>>);

impl Origin {
    /// Like `http://127.0.0.1:4711`.
    pub fn url(&self) -> String {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, url: &str) {
        url.clone_into(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Somebody who calls the API, signed in or not.
#[derive(Clone)]
pub struct Caller {
    origin: Origin,
    token: Option<String>,
    /// Headers of every request.
    headers: HeaderMap,
}

impl Caller {
    pub(crate) fn new(origin: Origin, token: Option<String>) -> Self {
        Self { origin, token, headers: HeaderMap::new() }
    }

    /// The same place, with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same, with another header on every request.
    pub fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.headers.insert(name, value.parse().expect("a header's value"));
        changed
    }

    /// The same, as a proxy would pass it on that was asked from this address.
    pub fn forwarded_for(&self, address: &str) -> Self {
        self.with_header("x-forwarded-for", address)
    }

    /// Where the server listens.
    pub(crate) fn url(&self) -> String {
        self.origin.url()
    }

    /// The token that this caller shows.
    pub fn token(&self) -> &str {
        self.token.as_deref().expect("this caller has signed in")
    }

    /// GET.
    pub fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None)
    }

    /// POST of a JSON value.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, Some(body))
    }

    /// PUT of a JSON value.
    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PUT, path, Some(body))
    }

    /// DELETE.
    pub fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None)
    }

    /// Any method, with or without a JSON body.
    pub fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.try_call(method, path, body).unwrap_or_else(|fault| panic!("{path} gave no answer: {fault}"))
    }

    /// As [`Self::call`], for a server that may die meanwhile.
    pub fn try_call(&self, method: Method, path: &str, body: Option<&Value>) -> reqwest::Result<Answer> {
        let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
        self.try_send(
            method,
            path,
            body.as_ref().map(|(kind, _)| *kind),
            body.as_ref().map(|(_, bytes)| &bytes[..]),
        )
    }

    /// Any bytes under any content type.
    pub fn send(&self, method: Method, path: &str, kind: Option<&str>, body: &[u8]) -> Answer {
        self.try_send(method, path, kind, Some(body))
            .unwrap_or_else(|fault| panic!("{path} gave no answer: {fault}"))
    }

    fn try_send(
        &self,
        method: Method,
        path: &str,
        kind: Option<&str>,
        body: Option<&[u8]>,
    ) -> reqwest::Result<Answer> {
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
        Answer::read(&method, path, request.send()?, true)
    }
}

fn is_stream(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream")
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    what: String,
    /// HTTP status.
    pub status: u16,
    /// Response headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads what came back, and holds it against the contract if it is this server's.
    pub(crate) fn read(
        method: &Method,
        path: &str,
        response: Response,
        is_ours: bool,
    ) -> reqwest::Result<Self> {
        let answer = Self {
            what: format!("{method} {path}"),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            // A stream of events has no end to wait for. Who wants to read it opens it by `Caller::open_stream`.
            body: if is_stream(&response) { Vec::new() } else { response.bytes()?.to_vec() },
        };
        if is_ours {
            Contract::check(method, path, &answer);
        }
        Ok(answer)
    }

    /// The bytes of the body, if the status is this one.
    #[track_caller]
    pub fn expect_bytes(&self, status: u16) -> Vec<u8> {
        assert_eq!(self.status, status, "{} answered {}", self.what, self.text());
        self.body.clone()
    }

    /// What was asked, for messages.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|fault| panic!("{}: the body is no JSON ({fault}): {}", self.what, self.text()))
    }

    /// A header's value.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("{}: no header {name}", self.what));
        value.to_str().expect("a header is text")
    }

    /// The body, if the status is this one.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{} answered {}", self.what, self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The body, if it was answered with 200.
    #[track_caller]
    pub fn ok(&self) -> Value {
        self.expect(200)
    }

    /// The body, if it was refused with this status and code.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{} was refused otherwise: {body}", self.what);
        body
    }
}
