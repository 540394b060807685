//! Issuers: systems whose users an app accepts, and when to fetch their keys.

use tidelog_protocol::limits::MAX_SUBJECT_CHARS;
use uuid::Uuid;

use crate::clock::MICROS_PER_SECOND;

/// Longest name of an issuer or an audience, in bytes.
const MAX_NAME_BYTES: usize = 2_000;
/// Age at which keys are fetched again before they are used, in microseconds: an hour, so that a revoked key is not
/// accepted for longer.
const MAX_KEYS_AGE_US: i64 = 60 * 60 * MICROS_PER_SECOND;
/// Shortest time between two fetches from one issuer, in microseconds: a minute. Anybody can send assertions with
/// unknown key ids.
const MIN_FETCH_INTERVAL_US: i64 = 60 * MICROS_PER_SECOND;

/// An issuer that an app trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Row of the issuer.
    pub row: i64,
    /// The app.
    pub app: Uuid,
    /// The claim `iss` of its assertions.
    pub issuer: String,
    /// The claim `aud` of its assertions.
    pub audience: String,
    /// Where its keys are fetched. `None`: they were configured.
    pub jwks_url: Option<String>,
    /// Its keys, a JSON Web Key Set. `None`: not fetched yet.
    pub jwks: Option<String>,
    /// Microseconds since 1970. `None`: never fetched.
    pub fetched_at: Option<i64>,
    /// Microseconds since 1970.
    pub created_at: i64,
}

impl Issuer {
    /// Whether to fetch its keys before an assertion is verified, whose key is among the stored ones or not.
    pub fn needs_fetch(&self, has_key: bool, last_attempt_us: Option<i64>, now_us: i64) -> bool {
        if self.jwks_url.is_none() {
            return false;
        }
        let is_fresh = self.fetched_at.is_some_and(|at| now_us - at < MAX_KEYS_AGE_US);
        let is_due = |at: i64| now_us - at >= MIN_FETCH_INTERVAL_US;
        let last = last_attempt_us.max(self.fetched_at);
        !(has_key && is_fresh) && last.is_none_or(is_due)
    }
}

/// An issuer to be added.
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

/// Checks the name of an issuer or an audience.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(what: &str, name: &str) -> Result<(), String> {
    let is_plain = |char: char| !char.is_control() && !char.is_whitespace();
    match name.len() {
        1..=MAX_NAME_BYTES if name.chars().all(is_plain) => Ok(()),
        1..=MAX_NAME_BYTES => Err(format!("{what} must not contain spaces or control characters")),
        _ => Err(format!("{what} must have 1 to {MAX_NAME_BYTES} bytes")),
    }
}

/// Checks the id of a user at an issuer or a backend.
///
/// # Errors
/// What is wrong with it.
pub fn check_subject(subject: &str) -> Result<(), String> {
    if subject.chars().any(char::is_control) {
        return Err("it must not contain control characters".into());
    }
    match subject.chars().count() {
        1..=MAX_SUBJECT_CHARS => Ok(()),
        _ => Err(format!("it must have 1 to {MAX_SUBJECT_CHARS} characters")),
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
    fn keys_are_fetched_if_there_are_none_if_one_is_unknown_and_if_they_are_an_hour_old() {
        assert!(fetched(None).needs_fetch(false, None, NOW));
        assert!(fetched(Some(61)).needs_fetch(false, None, NOW));
        assert!(!fetched(Some(3_599)).needs_fetch(true, None, NOW));
        assert!(fetched(Some(3_600)).needs_fetch(true, None, NOW));
    }

    #[test]
    fn they_are_fetched_at_most_once_a_minute_also_after_a_failed_fetch() {
        assert!(!fetched(None).needs_fetch(false, ago(59), NOW));
        assert!(fetched(None).needs_fetch(false, ago(60), NOW));
        assert!(!fetched(Some(59)).needs_fetch(false, None, NOW));
        assert!(!fetched(Some(7_200)).needs_fetch(true, ago(59), NOW));
    }

    #[test]
    fn configured_keys_are_never_fetched() {
        let configured = Issuer { jwks_url: None, ..fetched(None) };
        assert!(!configured.needs_fetch(false, None, NOW));
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
