//! `[blobs]`: where blobs are stored, and how many bytes they may take.

use serde::{Deserialize, Deserializer};

use super::values::{Secret, bounded, optional_url};

/// Longest retention or lifetime, in hours: a hundred years.
const MAX_HOURS: u64 = 876_000;
/// Largest blob that can be allowed: the database sums sizes in signed integers.
const MAX_BYTES: u64 = 1 << 50;

/// `[blobs]`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "default.toml describes them")]
pub struct BlobSettings {
    pub backend: BlobBackend,
    #[serde(deserialize_with = "bounded::<1, MAX_BYTES, _, _>")]
    pub max_blob_bytes: u64,
    pub user_quota_bytes: u64,
    #[serde(deserialize_with = "bounded::<0, MAX_HOURS, _, _>")]
    pub deleted_retention_hours: u64,
    /// At least 1: an upload URL is valid for a while, and what is sent to it must still be expected.
    #[serde(deserialize_with = "bounded::<1, MAX_HOURS, _, _>")]
    pub pending_upload_hours: u64,
    pub s3: S3Settings,
}

/// `[blobs.s3]`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "default.toml describes them")]
pub struct S3Settings {
    #[serde(deserialize_with = "endpoint")]
    pub endpoint: Option<String>,
    #[serde(deserialize_with = "endpoint")]
    pub public_endpoint: Option<String>,
    pub region: String,
    pub bucket: String,
    pub path_style: bool,
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub proxy_transfers: bool,
}

/// Where blobs are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum BlobBackend {
    /// In the data folder.
    Disk,
    /// In a bucket.
    S3,
    /// Nowhere.
    None,
}

impl TryFrom<String> for BlobBackend {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "disk" => Ok(Self::Disk),
            "s3" => Ok(Self::S3),
            "none" => Ok(Self::None),
            _ => Err("must be disk, s3 or none"),
        }
    }
}

fn endpoint<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    optional_url(input).map(|url| url.map(|url| url.trim_end_matches('/').to_owned()))
}
