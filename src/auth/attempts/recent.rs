//! A map that forgets: what is old first, then what is oldest.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Entries kept at most. Some 80 bytes each.
const MAX_ENTRIES: usize = 100_000;

/// Values by key, each with the time at which it was last put there.
pub(super) struct Recent<K, V> {
    entries: HashMap<K, (V, Duration)>,
    lifetime: Duration,
}

impl<K: Hash + Eq, V> Recent<K, V> {
    /// Whose values last so long.
    pub(super) fn new(lifetime: Duration) -> Self {
        Self { entries: HashMap::new(), lifetime }
    }

    /// A value that is not old yet.
    pub(super) fn get(&self, key: &K, now: Duration) -> Option<&V> {
        let fresh = |(_, put): &&(V, Duration)| now.saturating_sub(*put) < self.lifetime;
        self.entries.get(key).filter(fresh).map(|(value, _)| value)
    }

    /// Puts a value there.
    pub(super) fn put(&mut self, key: K, value: V, now: Duration) {
        if self.entries.len() >= MAX_ENTRIES {
            self.forget_half(now);
        }
        self.entries.insert(key, (value, now));
    }

    /// Takes a value away.
    pub(super) fn remove(&mut self, key: &K) {
        self.entries.remove(key);
    }

    /// At least half, so that it is not done again soon.
    fn forget_half(&mut self, now: Duration) {
        let lifetime = self.lifetime;
        self.entries.retain(|_, (_, put)| now.saturating_sub(*put) < lifetime);
        if self.entries.len() < MAX_ENTRIES / 2 {
            return;
        }
        let mut times: Vec<_> = self.entries.values().map(|(_, put)| *put).collect();
        let middle = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(middle);
        let middle = *middle;
        self.entries.retain(|_, (_, put)| *put > middle);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: usize) -> Duration {
        Duration::from_secs(seconds as u64)
    }

    #[test]
    fn a_value_is_there_until_it_is_old_or_taken_away() {
        let mut recent = Recent::new(seconds(10));
        recent.put("a", 1, seconds(5));
        assert_eq!(recent.get(&"a", seconds(14)), Some(&1));
        assert_eq!(recent.get(&"a", seconds(15)), None);
        recent.put("a", 2, seconds(15));
        assert_eq!(recent.get(&"a", seconds(15)), Some(&2));
        recent.remove(&"a");
        assert_eq!(recent.get(&"a", seconds(15)), None);
    }

    #[test]
    fn there_are_never_more_than_so_many_and_the_newest_stay() {
        let mut recent = Recent::new(seconds(10 * MAX_ENTRIES));
        for number in 0..2 * MAX_ENTRIES {
            recent.put(number, (), seconds(number));
            assert!(recent.len() <= MAX_ENTRIES);
        }
        let last = 2 * MAX_ENTRIES - 1;
        assert!(recent.get(&last, seconds(last)).is_some() && recent.get(&0, seconds(last)).is_none());
    }

    #[test]
    fn it_is_bounded_also_where_all_came_at_once() {
        let mut recent = Recent::new(seconds(10));
        for number in 0..2 * MAX_ENTRIES {
            recent.put(number, (), seconds(1));
            assert!(recent.len() <= MAX_ENTRIES);
        }
    }
}
