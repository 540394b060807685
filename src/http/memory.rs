//! The memory that bodies and pages share: many slow clients must not fill it, and one user must not take it all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::api_error::ApiError;
use crate::error::Fault;

/// KiB that all requests may hold at once.
const ALL_KIB: usize = 256 * 1024;
/// KiB that the requests of one log may hold at once.
const LOG_KIB: usize = 64 * 1024;
/// Bytes that a request may hold without being counted.
const FREE_BYTES: usize = 64 * 1024;
/// What is taken at a time.
const STEP_KIB: usize = 256;
/// How long a request waits for others to give memory back.
const PATIENCE: Duration = Duration::from_secs(30);

/// A budget. Cheap to clone.
#[derive(Clone)]
pub(super) struct Memory(Arc<Shares>);

struct Shares {
    all: Arc<Semaphore>,
    logs: Mutex<HashMap<i64, Weak<Semaphore>>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(Shares { all: Arc::new(Semaphore::new(ALL_KIB)), logs: Mutex::default() }))
    }
}

impl Memory {
    /// Room for a request of a log, none of it taken yet.
    pub(super) fn room_of(&self, log: i64) -> Room {
        self.room(Some(log))
    }

    /// Room for a request that nobody signed.
    pub(super) fn room_of_nobody(&self) -> Room {
        self.room(None)
    }

    fn room(&self, log: Option<i64>) -> Room {
        Room { memory: self.clone(), log, shares: Vec::new(), held: Vec::new(), kib: 0 }
    }

    fn share_of(&self, log: i64) -> Arc<Semaphore> {
        let mut logs = self.0.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.get(&log).and_then(Weak::upgrade).unwrap_or_else(|| {
            logs.retain(|_, share| share.strong_count() > 0);
            let share = Arc::new(Semaphore::new(LOG_KIB));
            logs.insert(log, Arc::downgrade(&share));
            share
        })
    }
}

/// What one request holds; given back when dropped.
pub(super) struct Room {
    memory: Memory,
    log: Option<i64>,
    /// Of its log, if it has one, and of all; looked up once the request is no longer small.
    shares: Vec<Arc<Semaphore>>,
    held: Vec<OwnedSemaphorePermit>,
    kib: usize,
}

impl Room {
    /// Holds at least so many bytes, of its log's share first and then of all.
    pub(super) async fn grow_to(&mut self, bytes: usize) -> Result<(), ApiError> {
        let lacking = bytes.div_ceil(1024).saturating_sub(self.kib).next_multiple_of(STEP_KIB);
        if bytes <= FREE_BYTES || lacking == 0 {
            return Ok(());
        }
        if self.shares.is_empty() {
            self.shares.extend(self.log.map(|log| self.memory.share_of(log)));
            self.shares.push(self.memory.0.all.clone());
        }
        for share in &self.shares {
            let permit = timeout(PATIENCE, share.clone().acquire_many_owned(lacking as u32)).await;
            let Ok(Ok(permit)) = permit else {
                return Err(Fault::Unavailable("too much memory is held by other requests").into());
            };
            self.held.push(permit);
        }
        self.kib += lacking;
        Ok(())
    }

    /// Gives back what was taken beyond so many bytes.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let kib = if bytes <= FREE_BYTES { 0 } else { bytes.div_ceil(1024) };
        while self.kib > kib && !self.held.is_empty() {
            let surplus = self.kib - kib;
            // One permit of each share, taken together, so they are of one size.
            let newest = self.held.len().saturating_sub(self.shares.len());
            let size = self.held.last().map_or(0, OwnedSemaphorePermit::num_permits);
            if size <= surplus {
                self.held.truncate(newest);
            } else {
                self.held[newest..].iter_mut().for_each(|permit| drop(permit.split(surplus)));
            }
            self.kib -= size.min(surplus);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_log_cannot_take_what_others_need() {
        let memory = Memory::default();
        let mut greedy = memory.room_of(1);
        greedy.grow_to(LOG_KIB * 1024).await.expect("a log's whole share");
        assert!(memory.room_of(1).grow_to(FREE_BYTES + 1).await.is_err());
        assert!(memory.room_of(2).grow_to(LOG_KIB * 1024).await.is_ok());
        drop(greedy);
        assert!(memory.room_of(1).grow_to(FREE_BYTES + 1).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_too_much_can_be_given_back() {
        let memory = Memory::default();
        let mut room = memory.room_of(1);
        room.grow_to(1024 * 1024).await.expect("a MiB");
        room.grow_to(LOG_KIB * 1024).await.expect("a log's whole share");
        room.shrink_to(STEP_KIB * 1024);
        assert_eq!(room.kib, STEP_KIB);
        let rest = (LOG_KIB - STEP_KIB) * 1024;
        assert!(memory.room_of(1).grow_to(rest + 1).await.is_err());
        assert!(memory.room_of(1).grow_to(rest).await.is_ok());
        room.shrink_to(0);
        assert!(memory.room_of(1).grow_to(LOG_KIB * 1024).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn small_requests_are_free_however_full_it_is() {
        let memory = Memory::default();
        let mut rooms: Vec<_> = (0..4).map(|log| memory.room_of(log)).collect();
        for room in &mut rooms {
            room.grow_to(LOG_KIB * 1024).await.expect("four shares are all there is");
        }
        assert!(memory.room_of(5).grow_to(FREE_BYTES).await.is_ok());
        assert!(memory.room_of(5).grow_to(FREE_BYTES + 1).await.is_err());
    }
}
