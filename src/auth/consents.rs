//! Decisions that were made a moment ago.
//!
//! A consent page is good for one decision. Yet people click twice, and then the second answer is the one that the browser
//! follows: for a few seconds it is the same as the first. Afterwards the page has expired, also for whoever finds it in the history
//! of a browser that somebody walked away from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::secrets::hash_secret;

/// How long a second click gets the answer of the first, in seconds.
const REPEAT_SECONDS: i64 = 10;
/// How long a decision is remembered, in seconds: longer than a page lives.
const REMEMBERED_SECONDS: i64 = 15 * 60;
/// Decisions that are remembered. Only people who are signed in make them.
const MAX_REMEMBERED: usize = 100_000;

type Answer = Arc<tokio::sync::Mutex<Option<String>>>;

/// Decisions, by what they were about.
#[derive(Default)]
pub struct Consents(Mutex<HashMap<[u8; 32], (i64, Answer)>>);

/// A decision that is being made, or was just now. Whoever else makes the same one waits.
pub struct Decision(OwnedMutexGuard<Option<String>>);

impl Decision {
    /// Where the first answer led.
    pub fn answer(&self) -> Option<String> {
        self.0.clone()
    }

    /// Remembers where this one leads.
    pub fn keep(&mut self, address: String) {
        *self.0 = Some(address);
    }
}

impl Consents {
    /// Whether a page was decided on.
    pub fn is_spent(&self, step: &str) -> bool {
        self.lock().contains_key(&hash_secret(step))
    }

    /// Begins a decision. `None`: it was made too long ago to be a second click.
    pub async fn decide(&self, step: &str, now_seconds: i64) -> Option<Decision> {
        let answer = {
            let mut all = self.lock();
            if all.len() >= MAX_REMEMBERED {
                all.retain(|_, (at, _)| now_seconds - *at < REMEMBERED_SECONDS);
            }
            let (at, answer) =
                all.entry(hash_secret(step)).or_insert_with(|| (now_seconds, Answer::default()));
            if now_seconds - *at > REPEAT_SECONDS {
                return None;
            }
            answer.clone()
        };
        Some(Decision(answer.lock_owned().await))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], (i64, Answer)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_click_gets_the_first_answer_and_a_later_one_none() {
        let consents = Consents::default();
        assert!(!consents.is_spent("step"));
        consents.decide("step", 100).await.expect("the first").keep("there".into());
        assert!(consents.is_spent("step") && !consents.is_spent("another"));
        let second = consents.decide("step", 100 + REPEAT_SECONDS).await.expect("a second click");
        assert_eq!(second.answer().as_deref(), Some("there"));
        drop(second);
        assert!(consents.decide("step", 101 + REPEAT_SECONDS).await.is_none());
        assert!(consents.decide("another", 0).await.expect("another").answer().is_none());
    }
}
