//! The web origins of all apps, kept in memory for CORS.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use uuid::Uuid;

use crate::error::Fault;
use crate::model::origins::allow;
use crate::notify::Event;
use crate::store::Store;

/// The origins of all apps, in memory. Cheap to clone.
#[derive(Clone)]
pub(super) struct Origins(Arc<Cache>);

/// The origins of each app.
type ByApp = HashMap<Uuid, Vec<String>>;

struct Cache {
    store: Store,
    /// `None`: not loaded, or out of date.
    by_app: RwLock<Option<Arc<ByApp>>>,
    /// Incremented by every change: what was read before a change is not kept after it.
    generation: AtomicU64,
}

impl Origins {
    pub(super) fn new(store: Store) -> Self {
        Self(Arc::new(Cache { store, by_app: RwLock::default(), generation: AtomicU64::default() }))
    }

    /// Drops what an event makes invalid.
    pub(super) fn invalidate(&self, event: &Event) {
        if matches!(event, Event::AppsChanged | Event::Reopened) {
            let mut by_app = self.0.by_app.write().unwrap_or_else(PoisonError::into_inner);
            self.0.generation.fetch_add(1, Ordering::SeqCst);
            *by_app = None;
        }
    }

    /// The apps that allow an origin.
    pub(super) async fn apps_of(&self, origin: &str) -> Result<Vec<Uuid>, Fault> {
        let all = self.all().await?;
        Ok(all.iter().filter(|(_, origins)| allow(origins, origin)).map(|(app, _)| *app).collect())
    }

    async fn all(&self) -> Result<Arc<ByApp>, Fault> {
        let cache = &*self.0;
        if let Some(by_app) = &*cache.by_app.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(by_app.clone());
        }
        let generation = cache.generation.load(Ordering::SeqCst);
        let loaded = Arc::new(cache.store.list_origins().await?);
        let mut by_app = cache.by_app.write().unwrap_or_else(PoisonError::into_inner);
        if cache.generation.load(Ordering::SeqCst) == generation {
            *by_app = Some(loaded.clone());
        }
        Ok(loaded)
    }
}
