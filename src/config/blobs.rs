//! `[blobs]`: where the encrypted files of users lie, and how many bytes they may have.

use std::fmt;
use std::num::NonZeroU64;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Longest time that a setting may name, in hours: a hundred years.
const MAX_HOURS: u64 = 876_000;
/// Most bytes that a blob may be allowed: the database counts them in signed numbers, and sums them.
const MAX_BYTES: u64 = 1 << 50;

/// `[blobs]`; `config/default.toml` says what the settings mean.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "the commented default.toml is their one description")]
pub struct BlobSettings {
    pub storage: BlobStorage,
    #[serde(deserialize_with = "bytes")]
    pub max_bytes: NonZeroU64,
    pub user_bytes: u64,
    #[serde(deserialize_with = "hours")]
    pub grace_hours: u64,
    #[serde(deserialize_with = "some_hours")]
    pub pending_hours: u64,
    pub s3: S3Settings,
}

/// `[blobs.s3]`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "as above")]
pub struct S3Settings {
    #[serde(deserialize_with = "address")]
    pub endpoint: Option<String>,
    #[serde(deserialize_with = "address")]
    pub public_endpoint: Option<String>,
    pub region: String,
    pub bucket: String,
    pub path_style: bool,
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub proxy: bool,
}

/// Where blobs are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum BlobStorage {
    /// In the data folder.
    Disk,
    /// In a bucket.
    S3,
    /// Nowhere.
    None,
}

impl TryFrom<String> for BlobStorage {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "disk" => Ok(Self::Disk),
            "s3" => Ok(Self::S3),
            "none" => Ok(Self::None),
            _ => Err("it is disk, s3 or none"),
        }
    }
}

/// A value that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl Secret {
    /// The value itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

fn bytes<'de, D: Deserializer<'de>>(input: D) -> Result<NonZeroU64, D::Error> {
    let bytes = NonZeroU64::deserialize(input)?;
    if bytes.get() > MAX_BYTES {
        return Err(D::Error::custom(format_args!("it is at most {MAX_BYTES}")));
    }
    Ok(bytes)
}

fn hours<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    let hours = u64::deserialize(input)?;
    if hours > MAX_HOURS {
        return Err(D::Error::custom(format_args!("it is at most {MAX_HOURS}")));
    }
    Ok(hours)
}

fn some_hours<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    match hours(input)? {
        // The address of an upload is good for a while, and what comes by it must still be wanted.
        0 => Err(D::Error::custom("it is at least 1")),
        hours => Ok(hours),
    }
}

fn address<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    super::url_or_none(input).map(|url| url.map(|url| url.trim_end_matches('/').to_owned()))
}
