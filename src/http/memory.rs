//! The memory that request bodies and pages share: many slow clients must not fill it, and one user must not take all
//! of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::api_error::ApiError;
use crate::error::Fault;

/// KiB that all requests may hold at once.
const TOTAL_KIB: usize = 256 * 1024;
/// KiB that the requests of one log may hold at once.
const LOG_KIB: usize = 64 * 1024;
/// Bytes that a request may hold without being counted.
const FREE_BYTES: usize = 64 * 1024;
/// KiB are acquired in multiples of this.
const STEP_KIB: usize = 256;
/// How long a request waits for others to release memory.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A memory budget. Cheap to clone.
#[derive(Clone)]
pub(super) struct MemoryBudget(Arc<Shares>);

struct Shares {
    all: Arc<Semaphore>,
    logs: Mutex<HashMap<i64, Weak<Semaphore>>>,
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self(Arc::new(Shares { all: Arc::new(Semaphore::new(TOTAL_KIB)), logs: Mutex::default() }))
    }
}

impl MemoryBudget {
    /// A permit for a request of a log, over no memory yet.
    pub(super) fn permit_for(&self, log: i64) -> MemoryPermit {
        self.permit(Some(log))
    }

    /// A permit for a request without a caller, over no memory yet.
    pub(super) fn permit_for_anonymous(&self) -> MemoryPermit {
        self.permit(None)
    }

    fn permit(&self, log: Option<i64>) -> MemoryPermit {
        MemoryPermit { memory: self.clone(), log, shares: Vec::new(), held: Vec::new(), kib: 0 }
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

/// The memory that one request may hold; released when dropped.
pub(super) struct MemoryPermit {
    memory: MemoryBudget,
    log: Option<i64>,
    /// That of its log, if it has one, and the total; looked up once the request is no longer small.
    shares: Vec<Arc<Semaphore>>,
    held: Vec<OwnedSemaphorePermit>,
    kib: usize,
}

impl MemoryPermit {
    /// Acquires at least so many bytes, from its log's share first and then from the total.
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
            let permit = timeout(TIMEOUT, share.clone().acquire_many_owned(lacking as u32)).await;
            let Ok(Ok(permit)) = permit else {
                return Err(Fault::Unavailable("other requests hold too much memory").into());
            };
            self.held.push(permit);
        }
        self.kib += lacking;
        Ok(())
    }

    /// Releases what was acquired beyond so many bytes.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let kib = if bytes <= FREE_BYTES { 0 } else { bytes.div_ceil(1024) };
        while self.kib > kib && !self.held.is_empty() {
            let surplus = self.kib - kib;
            // One permit of each share, acquired together, so they have the same size.
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
    async fn one_log_cannot_take_the_share_of_others() {
        let memory = MemoryBudget::default();
        let mut greedy = memory.permit_for(1);
        greedy.grow_to(LOG_KIB * 1024).await.expect("a log's whole share");
        assert!(memory.permit_for(1).grow_to(FREE_BYTES + 1).await.is_err());
        assert!(memory.permit_for(2).grow_to(LOG_KIB * 1024).await.is_ok());
        drop(greedy);
        assert!(memory.permit_for(1).grow_to(FREE_BYTES + 1).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn surplus_memory_can_be_released() {
        let memory = MemoryBudget::default();
        let mut permit = memory.permit_for(1);
        permit.grow_to(1024 * 1024).await.expect("a MiB");
        permit.grow_to(LOG_KIB * 1024).await.expect("a log's whole share");
        permit.shrink_to(STEP_KIB * 1024);
        assert_eq!(permit.kib, STEP_KIB);
        let rest = (LOG_KIB - STEP_KIB) * 1024;
        assert!(memory.permit_for(1).grow_to(rest + 1).await.is_err());
        assert!(memory.permit_for(1).grow_to(rest).await.is_ok());
        permit.shrink_to(0);
        assert!(memory.permit_for(1).grow_to(LOG_KIB * 1024).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn small_requests_are_free_even_when_all_memory_is_held() {
        let memory = MemoryBudget::default();
        let mut permits: Vec<_> = (0..4).map(|log| memory.permit_for(log)).collect();
        for permit in &mut permits {
            permit.grow_to(LOG_KIB * 1024).await.expect("four shares are all there is");
        }
        assert!(memory.permit_for(5).grow_to(FREE_BYTES).await.is_ok());
        assert!(memory.permit_for(5).grow_to(FREE_BYTES + 1).await.is_err());
    }
}
