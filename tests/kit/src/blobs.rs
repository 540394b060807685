//! Blobs as any HTTP client handles them: the three documented steps.

use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use reqwest::Method;
use reqwest::blocking::Client;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Answer, Caller, text};

static STRANGER: LazyLock<Client> =
    LazyLock::new(|| Client::builder().no_proxy().build().expect("an HTTP client"));

/// The name of these bytes.
pub fn hash_of(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

impl Caller {
    /// Step 1: asks where to send a blob.
    pub fn ask_upload(&self, hash: &str, size_bytes: u64) -> Answer {
        self.post("/api/sync/blobs/upload", &json!({"hash": hash, "size_bytes": size_bytes}))
    }

    /// Step 1, where the blob is not there yet.
    #[track_caller]
    pub fn upload_url(&self, hash: &str, size_bytes: u64) -> String {
        let answer = self.ask_upload(hash, size_bytes).ok();
        assert_eq!(answer["already_exists"], false);
        text(&answer["upload_url"])
    }

    /// Step 2: sends bytes to an address, with no token. At this server's, the answer is held against the contract.
    pub fn send_blob(&self, url: &str, bytes: &[u8]) -> Answer {
        self.at(Method::PUT, url, HeaderMap::new(), Some(bytes))
    }

    /// Step 3: confirms.
    pub fn confirm(&self, hash: &str, size_bytes: u64) -> Answer {
        self.post("/api/sync/blobs/confirm", &json!({"hash": hash, "size_bytes": size_bytes}))
    }

    /// All three; gives the hash.
    #[track_caller]
    pub fn put_blob(&self, bytes: &[u8]) -> String {
        let (hash, size) = (hash_of(bytes), bytes.len() as u64);
        let url = self.upload_url(&hash, size);
        self.send_blob(&url, bytes).expect_bytes(200);
        assert_eq!(self.confirm(&hash, size).ok()["size_bytes"], size);
        hash
    }

    /// Where a blob can be fetched.
    #[track_caller]
    pub fn download_url(&self, hash: &str) -> String {
        text(&self.ask_download(hash).ok()["download_url"])
    }

    /// Asks where a blob can be fetched.
    pub fn ask_download(&self, hash: &str) -> Answer {
        self.post("/api/sync/blobs/download", &json!({"hash": hash}))
    }

    /// The bytes of a blob.
    #[track_caller]
    pub fn fetch_blob(&self, hash: &str) -> Vec<u8> {
        let url = self.download_url(hash);
        self.at(Method::GET, &url, HeaderMap::new(), None).expect_bytes(200)
    }

    /// Asks at an address that was given out.
    pub fn at(&self, method: Method, url: &str, headers: HeaderMap, body: Option<&[u8]>) -> Answer {
        self.try_at(method, url, headers, body)
            .unwrap_or_else(|fault| panic!("{url} gave no answer: {fault}"))
    }

    /// As [`Caller::at`], for a server that may die meanwhile.
    pub fn try_at(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Option<&[u8]>,
    ) -> reqwest::Result<Answer> {
        let mut request = STRANGER.request(method.clone(), url).headers(headers);
        if let Some(body) = body {
            request = request.body(body.to_vec());
        }
        let own = url.strip_prefix(&self.url());
        Answer::read(&method, own.unwrap_or(url), request.send()?, own.is_some())
    }

    /// What the caller's blobs take, by the status.
    #[track_caller]
    pub fn blob_bytes(&self) -> Value {
        self.get("/api/sync/status").ok()["blob_bytes"].clone()
    }
}
