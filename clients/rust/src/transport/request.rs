//! Requests to the server, and the JSON in them and in their answers.

use bytes::Bytes;
use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::{Result, SyncKitError};

/// A request, the same for every attempt.
#[derive(Clone)]
pub(crate) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Bytes>,
    /// The path is relative to the server's URL, not to the sync routes.
    pub(super) at_root: bool,
}

impl Request {
    fn new(method: Method, path: impl Into<String>, body: Option<Bytes>) -> Self {
        Self { method, path: path.into(), body, at_root: false }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new(Method::GET, path, None)
    }

    pub(crate) fn delete(path: String) -> Self {
        Self::new(Method::DELETE, path, None)
    }

    pub(crate) fn post(path: &str, body: &impl Serialize) -> Result<Self> {
        Ok(Self::post_bytes(path, to_json(body)?))
    }

    /// A `POST` of JSON that is serialized already.
    pub(crate) fn post_bytes(path: &str, json: Bytes) -> Self {
        Self::new(Method::POST, path, Some(json))
    }

    /// A `POST` without a body.
    pub(crate) fn post_empty(path: &str) -> Self {
        Self::new(Method::POST, path, None)
    }

    pub(crate) fn put(path: &str, body: &impl Serialize) -> Result<Self> {
        Ok(Self::new(Method::PUT, path, Some(to_json(body)?)))
    }

    /// The same request, with its path relative to the server's URL itself.
    pub(crate) fn at_root(self) -> Self {
        Self { at_root: true, ..self }
    }
}

pub(crate) fn to_json(body: &impl Serialize) -> Result<Bytes> {
    serde_json::to_vec(body).map(Bytes::from).map_err(SyncKitError::NotJson)
}

/// Parses an answer. serde's own messages may quote what they found, so the error only has kind and position.
pub(crate) fn from_json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        let (kind, line, column) = (error.classify(), error.line(), error.column());
        SyncKitError::BadAnswer(format!("{kind:?} at line {line}, column {column}"))
    })
}
