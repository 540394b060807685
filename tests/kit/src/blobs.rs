//! Blob uploads and downloads over plain HTTP, in the three documented steps.

use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use reqwest::Method;
use reqwest::blocking::Client;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{ApiResponse, Caller, text};

static TOKENLESS_CLIENT: LazyLock<Client> =
    LazyLock::new(|| Client::builder().no_proxy().build().expect("an HTTP client"));

/// Returns the hash that names these bytes.
pub fn hash_of(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

impl Caller {
    /// Step 1: requests an upload URL.
    pub fn request_upload(&self, hash: &str, size_bytes: u64) -> ApiResponse {
        self.post("/api/sync/blobs/upload", &json!({"hash": hash, "size_bytes": size_bytes}))
    }

    /// Step 1 for a blob that does not exist yet: returns the upload URL.
    #[track_caller]
    pub fn upload_url(&self, hash: &str, size_bytes: u64) -> String {
        let response = self.request_upload(hash, size_bytes).ok();
        assert_eq!(response["already_exists"], false);
        text(&response["upload_url"])
    }

    /// Step 2: uploads bytes to a presigned URL, without a token.
    pub fn send_blob(&self, url: &str, bytes: &[u8]) -> ApiResponse {
        self.call_url(Method::PUT, url, HeaderMap::new(), Some(bytes))
    }

    /// Step 3: confirms the upload.
    pub fn confirm(&self, hash: &str, size_bytes: u64) -> ApiResponse {
        self.post("/api/sync/blobs/confirm", &json!({"hash": hash, "size_bytes": size_bytes}))
    }

    /// Carries out all three steps and returns the hash.
    #[track_caller]
    pub fn put_blob(&self, bytes: &[u8]) -> String {
        let (hash, size) = (hash_of(bytes), bytes.len() as u64);
        let url = self.upload_url(&hash, size);
        self.send_blob(&url, bytes).expect_bytes(200);
        assert_eq!(self.confirm(&hash, size).ok()["size_bytes"], size);
        hash
    }

    /// Returns a download URL.
    #[track_caller]
    pub fn download_url(&self, hash: &str) -> String {
        text(&self.request_download(hash).ok()["download_url"])
    }

    /// Requests a download URL.
    pub fn request_download(&self, hash: &str) -> ApiResponse {
        self.post("/api/sync/blobs/download", &json!({"hash": hash}))
    }

    /// Downloads a blob.
    #[track_caller]
    pub fn fetch_blob(&self, hash: &str) -> Vec<u8> {
        let url = self.download_url(hash);
        self.call_url(Method::GET, &url, HeaderMap::new(), None).expect_bytes(200)
    }

    /// Sends a request to a presigned URL, without a token. Responses of this server are checked against the OpenAPI
    /// document.
    pub fn call_url(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Option<&[u8]>,
    ) -> ApiResponse {
        self.try_call_url(method, url, headers, body)
            .unwrap_or_else(|fault| panic!("no response from {url}: {fault}"))
    }

    /// Like [`Caller::call_url`], for a server that may be killed meanwhile.
    pub fn try_call_url(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Option<&[u8]>,
    ) -> reqwest::Result<ApiResponse> {
        let mut request = TOKENLESS_CLIENT.request(method.clone(), url).headers(headers);
        if let Some(body) = body {
            request = request.body(body.to_vec());
        }
        let own = url.strip_prefix(&self.url());
        ApiResponse::read(&method, own.unwrap_or(url), request.send()?, own.is_some())
    }

    /// Returns `blob_bytes` of the status.
    #[track_caller]
    pub fn blob_bytes(&self) -> Value {
        self.get("/api/sync/status").ok()["blob_bytes"].clone()
    }
}
