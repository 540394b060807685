//! Consent pages that were answered. Each can be answered once: one that is found in the history of a browser left
//! unattended is useless.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::secrets::hash_secret;

/// How long an answer is remembered, in seconds: longer than the page is valid.
const LIFETIME_SECONDS: i64 = 15 * 60;
/// Answers at which expired ones are dropped. Only signed-in users give them.
const SWEEP_AT: usize = 10_000;

/// Answered pages, by the hash of their tokens.
#[derive(Default)]
pub struct AnsweredConsents(Mutex<HashMap<[u8; 32], i64>>);

impl AnsweredConsents {
    /// Whether the page with this token was answered.
    pub fn contains(&self, token: &str) -> bool {
        self.lock().contains_key(&hash_secret(token))
    }

    /// Marks a page as answered. `false`: it was before.
    pub fn insert(&self, token: &str, now_seconds: i64) -> bool {
        let mut answered = self.lock();
        if answered.len() >= SWEEP_AT {
            answered.retain(|_, at| now_seconds - *at < LIFETIME_SECONDS);
        }
        answered.insert(hash_secret(token), now_seconds).is_none()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_can_be_answered_once_and_old_answers_are_dropped() {
        let consents = AnsweredConsents::default();
        assert!(!consents.contains("token"));
        assert!(consents.insert("token", 100));
        assert!(consents.contains("token") && !consents.contains("another"));
        assert!(!consents.insert("token", 101));
        for number in 0..SWEEP_AT {
            assert!(consents.insert(&number.to_string(), 101));
        }
        assert!(consents.insert("later", 101 + LIFETIME_SECONDS));
        assert!(consents.lock().len() < 10);
    }
}
