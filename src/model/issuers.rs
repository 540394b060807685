//! Issuers: systems whose word an app takes for who somebody is, and when to ask them for their keys.

use tidelog_protocol::limits::MAX_SUBJECT_CHARS;
use uuid::Uuid;

use crate::clock::MICROS_PER_SECOND;

/// Longest name of an issuer or an audience, in bytes.
const MAX_NAME_BYTES: usize = 2_000;
/// Time after which fetched keys are fetched again before they are used, in microseconds: an hour, so that a key which was
/// withdrawn does not pass for longer.
const MAX_KEYS_AGE_US: i64 = 60 * 60 * MICROS_PER_SECOND;
/// Time between two fetches from one issuer, in microseconds, whatever is asked for: a minute. Anybody can make up the name of a
/// key that nobody knows.
const FETCH_PAUSE_US: i64 = 60 * MICROS_PER_SECOND;

/// An issuer that an app trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Its row.
    pub row: i64,
    /// The app.
    pub app: Uuid,
    /// `iss` of its tokens.
    pub issuer: String,
    /// `aud` of its tokens.
    pub audience: String,
    /// Where its keys are fetched. `None`: they were given.
    pub jwks_url: Option<String>,
    /// Its keys, JSON. `None`: not fetched yet.
    pub jwks: Option<String>,
    /// Microseconds since 1970. `None`: they were given, or not fetched yet.
    pub fetched_at: Option<i64>,
    /// Microseconds since 1970.
    pub created_at: i64,
}

impl Issuer {
    /// Whether to fetch its keys before judging a token, whose key `is_known` or not.
    pub fn wants_fetch(&self, is_known: bool, last_attempt_us: Option<i64>, now_us: i64) -> bool {
        if self.jwks_url.is_none() {
            return false;
        }
        let is_fresh = self.fetched_at.is_some_and(|at| now_us - at < MAX_KEYS_AGE_US);
        let has_rested = |at: i64| now_us - at >= FETCH_PAUSE_US;
        let last = last_attempt_us.max(self.fetched_at);
        !(is_known && is_fresh) && last.is_none_or(has_rested)
    }
}

/// An issuer to be trusted.
#[derive(Clone, Debug)]
pub struct NewIssuer {
    /// As in [`Issuer`].
    pub issuer: String,
    /// As in [`Issuer`].
    pub audience: String,
    /// As in [`Issuer`].
    pub jwks_url: Option<String>,
    /// As in [`Issuer`].
    pub jwks: Option<String>,
}

/// Whether this can be an issuer's name, or an audience.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn check_name(what: &str, name: &str) -> Result<(), String> {
    let is_plain = |char: char| !char.is_control() && !char.is_whitespace();
    match name.len() {
        1..=MAX_NAME_BYTES if name.chars().all(is_plain) => Ok(()),
        1..=MAX_NAME_BYTES => Err(format!("{what} has no spaces or control characters")),
        _ => Err(format!("{what} has 1 to {MAX_NAME_BYTES} bytes")),
    }
}

/// Whether another system may call a user so.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn check_subject(subject: &str) -> Result<(), String> {
    if subject.chars().any(char::is_control) {
        return Err("it has no control characters".into());
    }
    match subject.chars().count() {
        1..=MAX_SUBJECT_CHARS => Ok(()),
        _ => Err(format!("it has 1 to {MAX_SUBJECT_CHARS} characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000 * MICROS_PER_SECOND;

    fn fetched(ago_seconds: Option<i64>) -> Issuer {
        Issuer {
            row: 1,
            app: Uuid::nil(),
            issuer: "https://id.example.org".into(),
            audience: "notes".into(),
            jwks_url: Some("https://id.example.org/keys".into()),
            jwks: None,
            fetched_at: ago_seconds.map(|ago| NOW - ago * MICROS_PER_SECOND),
            created_at: 0,
        }
    }

    fn ago(seconds: i64) -> Option<i64> {
        Some(NOW - seconds * MICROS_PER_SECOND)
    }

    #[test]
    fn keys_are_fetched_when_there_are_none_when_one_is_unknown_and_when_they_are_an_hour_old() {
        assert!(fetched(None).wants_fetch(false, None, NOW));
        assert!(fetched(Some(61)).wants_fetch(false, None, NOW));
        assert!(!fetched(Some(3_599)).wants_fetch(true, None, NOW));
        assert!(fetched(Some(3_600)).wants_fetch(true, None, NOW));
    }

    #[test]
    fn they_are_fetched_once_a_minute_at_most_also_after_a_fetch_that_failed() {
        assert!(!fetched(None).wants_fetch(false, ago(59), NOW));
        assert!(fetched(None).wants_fetch(false, ago(60), NOW));
        assert!(!fetched(Some(59)).wants_fetch(false, None, NOW));
        assert!(!fetched(Some(7_200)).wants_fetch(true, ago(59), NOW));
    }

    #[test]
    fn keys_that_were_given_are_never_fetched() {
        let given = Issuer { jwks_url: None, ..fetched(None) };
        assert!(!given.wants_fetch(false, None, NOW));
    }

    #[test]
    fn a_subject_has_up_to_255_characters_and_no_control_characters() {
        for good in ["1", "auth0|507f", "名前", &"ü".repeat(255)] {
            assert_eq!(check_subject(good), Ok(()));
        }
        for bad in ["", "a\n", "\0", &"x".repeat(256)] {
            assert!(check_subject(bad).is_err());
        }
    }
}
