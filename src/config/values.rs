//! Values that settings share, and how they are checked.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

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

/// A whole number from `MIN` to `MAX`.
pub(super) fn bounded<'de, const MIN: u64, const MAX: u64, T, D>(input: D) -> Result<T, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    let value = Some(u64::deserialize(input)?).filter(|value| (MIN..=MAX).contains(value));
    let value = value.and_then(|value| T::try_from(value).ok());
    value.ok_or_else(|| D::Error::custom(format_args!("must be between {MIN} and {MAX}")))
}

/// A URL, or `None` for an empty value.
pub(super) fn optional_url<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    let url = String::deserialize(input)?;
    if url.is_empty() {
        return Ok(None);
    }
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return Err(D::Error::custom("must start with https:// or http://"));
    }
    Ok(Some(url))
}
