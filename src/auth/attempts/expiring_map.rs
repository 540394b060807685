//! A map of bounded size whose entries expire; when it is full, the oldest go first.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Entries kept at most. Some 80 bytes each.
const MAX_ENTRIES: usize = 100_000;

/// Values by key, each with the time of its last insertion.
pub(super) struct ExpiringMap<K, V> {
    entries: HashMap<K, (V, Duration)>,
    lifetime: Duration,
}

impl<K: Hash + Eq, V> ExpiringMap<K, V> {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self { entries: HashMap::new(), lifetime }
    }

    /// A value that has not expired.
    pub(super) fn get(&self, key: &K, now: Duration) -> Option<&V> {
        let fresh = |(_, inserted): &&(V, Duration)| now.saturating_sub(*inserted) < self.lifetime;
        self.entries.get(key).filter(fresh).map(|(value, _)| value)
    }

    pub(super) fn insert(&mut self, key: K, value: V, now: Duration) {
        if self.entries.len() >= MAX_ENTRIES {
            self.evict_half(now);
        }
        self.entries.insert(key, (value, now));
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.entries.remove(key);
    }

    /// Evicts at least half, so that it need not run again soon.
    fn evict_half(&mut self, now: Duration) {
        let lifetime = self.lifetime;
        self.entries.retain(|_, (_, inserted)| now.saturating_sub(*inserted) < lifetime);
        if self.entries.len() < MAX_ENTRIES / 2 {
            return;
        }
        let mut times: Vec<_> = self.entries.values().map(|(_, inserted)| *inserted).collect();
        let middle = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(middle);
        let middle = *middle;
        self.entries.retain(|_, (_, inserted)| *inserted > middle);
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
    fn a_value_is_found_until_it_expires_or_is_removed() {
        let mut map = ExpiringMap::new(seconds(10));
        map.insert("a", 1, seconds(5));
        assert_eq!(map.get(&"a", seconds(14)), Some(&1));
        assert_eq!(map.get(&"a", seconds(15)), None);
        map.insert("a", 2, seconds(15));
        assert_eq!(map.get(&"a", seconds(15)), Some(&2));
        map.remove(&"a");
        assert_eq!(map.get(&"a", seconds(15)), None);
    }

    #[test]
    fn the_size_is_bounded_and_the_newest_entries_stay() {
        let mut map = ExpiringMap::new(seconds(10 * MAX_ENTRIES));
        for number in 0..2 * MAX_ENTRIES {
            map.insert(number, (), seconds(number));
            assert!(map.len() <= MAX_ENTRIES);
        }
        let last = 2 * MAX_ENTRIES - 1;
        assert!(map.get(&last, seconds(last)).is_some() && map.get(&0, seconds(last)).is_none());
    }

    #[test]
    fn the_size_is_bounded_even_if_all_entries_were_inserted_at_once() {
        let mut map = ExpiringMap::new(seconds(10));
        for number in 0..2 * MAX_ENTRIES {
            map.insert(number, (), seconds(1));
            assert!(map.len() <= MAX_ENTRIES);
        }
    }
}
