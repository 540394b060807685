//! Timestamps: RFC 3339 on the wire, microseconds in memory.
//!
//! Every change has one, so the usual form, in UTC and upper case, is formatted and parsed here. Other forms are left
//! to chrono, which takes ten times as long.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A time in microseconds since 1970-01-01T00:00:00Z, in the years 0 to 9999. Finer fractions of a second are rounded
/// down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// The earliest timestamp.
    pub const MIN: Self = Self(Self::MIN_US);

    /// The first time that RFC 3339 can represent.
    const MIN_US: i64 = -62_167_219_200_000_000;
    /// The last time that RFC 3339 can represent.
    const MAX_US: i64 = 253_402_300_799_999_999;

    /// Creates a timestamp from microseconds since 1970, if RFC 3339 can represent it.
    pub fn from_micros(micros: i64) -> Result<Self, InvalidTimestamp> {
        if (Self::MIN_US..=Self::MAX_US).contains(&micros) { Ok(Self(micros)) } else { Err(InvalidTimestamp) }
    }

    /// Returns the microseconds since 1970, negative before it.
    pub fn as_micros(self) -> i64 {
        self.0
    }
}

impl Timestamp {
    /// Appends the text of the timestamp, in UTC, with as many fractional digits as it needs: none, three or six.
    pub fn write_to(self, out: &mut Vec<u8>) {
        let (text, length) = self.text();
        out.extend_from_slice(&text[..length]);
    }

    fn text(self) -> ([u8; 27], usize) {
        let (days, of_day) = (self.0.div_euclid(DAY_US), self.0.rem_euclid(DAY_US));
        let (year, month, day) = date_of(days);
        let (seconds, micros) = (of_day / SECOND_US, of_day % SECOND_US);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        put(&mut text[0..4], year);
        put(&mut text[5..7], month);
        put(&mut text[8..10], day);
        put(&mut text[11..13], seconds / 3600);
        put(&mut text[14..16], seconds / 60 % 60);
        put(&mut text[17..19], seconds % 60);
        put(&mut text[20..26], micros);
        let length = match micros {
            0 => 20,
            _ if micros % 1000 == 0 => 24,
            _ => 27,
        };
        text[length - 1] = b'Z';
        (text, length)
    }
}

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;
/// Days from 1 March of the year 0 to 1970. In years that start in March, a leap day is the last day.
const DAYS_TO_1970: i64 = 719_468;
/// Days in 400 years, after which the calendar repeats.
const CYCLE_DAYS: i64 = 146_097;

/// Returns year, month and day (Gregorian) of a number of days since 1970.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_1970;
    let (cycle, day) = (days.div_euclid(CYCLE_DAYS), days.rem_euclid(CYCLE_DAYS));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March on, months have 31, 30, 31, 30, 31 days, over and over: 153 days in five months.
    let month = (5 * day + 2) / 153;
    let of_month = day - (153 * month + 2) / 5 + 1;
    let (years, month) = if month < 10 { (0, month + 3) } else { (1, month - 9) };
    (cycle * 400 + year + years, month, of_month)
}

/// Returns the days from 1970 to a Gregorian date.
fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (cycle, year) = (year.div_euclid(400), year.rem_euclid(400));
    let of_cycle = 365 * year + year / 4 - year / 100 + (153 * month + 2) / 5 + day - 1;
    cycle * CYCLE_DAYS + of_cycle - DAYS_TO_1970
}

/// Writes a number, padded with zeros to the length of `digits`.
fn put(digits: &mut [u8], mut number: i64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Parses `2026-03-13T10:00:00Z`, with or without a fraction. `None` if the text has another form or is invalid.
fn parse_usual(text: &[u8]) -> Option<i64> {
    let (head, tail) = text.split_at_checked(19)?;
    let (fraction, [b'Z']) = tail.split_at_checked(tail.len().checked_sub(1)?)? else { return None };
    let separated = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separated.iter().any(|(place, separator)| head[*place] != *separator) {
        return None;
    }
    let (year, month, day) = (number(&head[0..4])?, number(&head[5..7])?, number(&head[8..10])?);
    let (hour, minute, second) = (number(&head[11..13])?, number(&head[14..16])?, number(&head[17..19])?);
    let days = days_to(year, month, day);
    // 31 February would be a day in March.
    if date_of(days) != (year, month, day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
            number(digits)? * 10_i64.pow(9 - digits.len() as u32) / 1000
        }
        _ => return None,
    };
    Some(days * DAY_US + ((hour * 60 + minute) * 60 + second) * SECOND_US + micros)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| match digit {
        b'0'..=b'9' => Some(number * 10 + i64::from(digit - b'0')),
        _ => None,
    })
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, length) = self.text();
        out.write_str(std::str::from_utf8(&text[..length]).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        if let Some(micros) = parse_usual(text.as_bytes()) {
            return Self::from_micros(micros);
        }
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

/// The error for text or a number that is not a time of RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTimestamp;

impl fmt::Display for InvalidTimestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("must be an RFC 3339 time such as 2026-03-13T10:00:00Z")
    }
}

impl std::error::Error for InvalidTimestamp {}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;
    use proptest::prelude::*;

    use super::*;

    fn by_chrono(micros: i64) -> String {
        let instant = DateTime::<Utc>::from_timestamp_micros(micros).expect("in range");
        instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }

    #[test]
    fn every_day_of_the_400_year_cycle_agrees_with_chrono() {
        for day in 0..CYCLE_DAYS {
            assert_eq!(Timestamp(day * DAY_US).to_string(), by_chrono(day * DAY_US));
        }
    }

    #[test]
    fn days_and_times_that_do_not_exist_are_refused() {
        for wrong in [
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-00-10T00:00:00Z",
            "2026-13-10T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-04-30T24:00:00Z",
            "2026-04-30T23:60:00Z",
            "2026-04-30T23:59:59.Z",
            "2026-04-30T23:59:59",
            "+026-04-30T23:59:59Z",
        ] {
            assert_eq!(wrong.parse::<Timestamp>(), Err(InvalidTimestamp), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn formatting_agrees_with_chrono_and_parses_back(micros in Timestamp::MIN_US..=Timestamp::MAX_US) {
            for micros in [micros, micros / 1000 * 1000, micros / SECOND_US * SECOND_US] {
                let text = Timestamp(micros).to_string();
                prop_assert_eq!(&text, &by_chrono(micros));
                prop_assert_eq!(text.parse(), Ok(Timestamp(micros)));
            }
        }

        #[test]
        fn parsing_agrees_with_chrono(text in "[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,10})?(Z|z|[+-][01][0-9]:00)") {
            let ours = text.parse::<Timestamp>().ok().map(Timestamp::as_micros);
            let theirs = DateTime::parse_from_rfc3339(&text).ok().map(|instant| instant.timestamp_micros());
            let in_range = theirs.filter(|micros| (Timestamp::MIN_US..=Timestamp::MAX_US).contains(micros));
            prop_assert_eq!(ours, in_range);
        }
    }
}
