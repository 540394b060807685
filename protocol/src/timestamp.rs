//! Instants on the wire: RFC 3339 text outside, microseconds inside.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant in microseconds since 1970-01-01T00:00:00Z, between the years 0 and 9999. Anything finer is floored away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// The first instant that RFC 3339 can write.
    const MIN_US: i64 = -62_167_219_200_000_000;
    /// The last one.
    const MAX_US: i64 = 253_402_300_799_999_999;

    /// The instant that lies this many microseconds after 1970, if RFC 3339 can write it.
    pub fn from_micros(micros: i64) -> Result<Self, InvalidTimestamp> {
        if (Self::MIN_US..=Self::MAX_US).contains(&micros) { Ok(Self(micros)) } else { Err(InvalidTimestamp) }
    }

    /// Microseconds since 1970, negative before it.
    pub fn as_micros(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = DateTime::<Utc>::from_timestamp_micros(self.0).unwrap_or_default();
        out.write_str(&instant.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let instant = DateTime::parse_from_rfc3339(text).map_err(|_| InvalidTimestamp)?;
        Self::from_micros(instant.timestamp_micros())
    }
}

impl TryFrom<DateTime<Utc>> for Timestamp {
    type Error = InvalidTimestamp;

    fn try_from(instant: DateTime<Utc>) -> Result<Self, InvalidTimestamp> {
        Self::from_micros(instant.timestamp_micros())
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(timestamp: Timestamp) -> Self {
        Self::from_timestamp_micros(timestamp.0).unwrap_or_default()
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Timestamp;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an RFC 3339 time")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(E::custom)
            }
        }
        input.deserialize_str(Visitor)
    }
}

/// Text or a number that is no instant which RFC 3339 can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTimestamp;

impl fmt::Display for InvalidTimestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("must be an RFC 3339 time such as 2026-03-13T10:00:00Z")
    }
}

impl std::error::Error for InvalidTimestamp {}
