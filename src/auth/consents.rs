//! Consent pages that were decided on. Each is good for one decision: whoever finds one in the history of a browser that somebody
//! walked away from can do nothing with it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::secrets::hash_secret;

/// How long a decision is remembered, in seconds: longer than a page lives.
const REMEMBERED_SECONDS: i64 = 15 * 60;
/// Decisions after which those that are old enough are forgotten. Only people who are signed in make them.
const SWEEP_AT: usize = 10_000;

/// Pages that are used up.
#[derive(Default)]
pub struct Consents(Mutex<HashMap<[u8; 32], i64>>);

impl Consents {
    /// Whether a page was decided on.
    pub fn is_spent(&self, step: &str) -> bool {
        self.lock().contains_key(&hash_secret(step))
    }

    /// Uses a page up. `false`: it was used up before.
    pub fn spend(&self, step: &str, now_seconds: i64) -> bool {
        let mut all = self.lock();
        if all.len() >= SWEEP_AT {
            all.retain(|_, at| now_seconds - *at < REMEMBERED_SECONDS);
        }
        all.insert(hash_secret(step), now_seconds).is_none()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_good_for_one_decision_and_old_ones_are_forgotten() {
        let consents = Consents::default();
        assert!(!consents.is_spent("step"));
        assert!(consents.spend("step", 100));
        assert!(consents.is_spent("step") && !consents.is_spent("another"));
        assert!(!consents.spend("step", 101));
        for number in 0..SWEEP_AT {
            assert!(consents.spend(&number.to_string(), 101));
        }
        assert!(consents.spend("later", 101 + REMEMBERED_SECONDS));
        assert!(consents.lock().len() < 10);
    }
}
