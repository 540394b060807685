//! The pool of connections that read.
//!
//! Reads run on blocking threads, one short snapshot each, never while a client is being written to. A semaphore as wide as
//! the pool keeps waiting requests off the threads: a thousand of them cost a thousand futures, not a thousand stacks.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{DATABASE_FILE, Options, Store, connect};
use crate::error::Fault;

/// How long a read waits for a connection; the semaphore makes this rare.
const CHECKOUT: Duration = Duration::from_secs(5);

struct Manager {
    path: PathBuf,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Connection;
    type Error = rusqlite::Error;

    fn connect(&self) -> rusqlite::Result<Connection> {
        connect::reader(&self.path)
    }

    fn is_valid(&self, _: &mut Connection) -> rusqlite::Result<()> {
        Ok(())
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        // A snapshot that was left open would hold back every checkpoint.
        !connection.is_autocommit()
    }
}

/// The pool. Cheap to clone.
#[derive(Clone)]
pub(super) struct Readers {
    pool: Arc<RwLock<Option<r2d2::Pool<Manager>>>>,
    turns: Arc<Semaphore>,
    path: PathBuf,
    size: u32,
}

impl Readers {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let readers = Self {
            pool: Arc::default(),
            turns: Arc::new(Semaphore::new(options.readers as usize)),
            path: options.data.join(DATABASE_FILE),
            size: options.readers,
        };
        readers.resume()?;
        Ok(readers)
    }

    /// Lets reads in, on fresh connections.
    pub(super) fn resume(&self) -> Result<(), Fault> {
        let pool = r2d2::Pool::builder()
            .max_size(self.size)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .max_lifetime(None)
            .idle_timeout(None)
            .connection_timeout(CHECKOUT)
            .build(Manager { path: self.path.clone() })
            .map_err(Fault::internal)?;
        *self.pool.write().unwrap_or_else(PoisonError::into_inner) = Some(pool);
        Ok(())
    }

    /// Turns reads away; connections close as the reads that hold them end.
    pub(super) fn pause(&self) {
        *self.pool.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn pool(&self) -> Result<r2d2::Pool<Manager>, Fault> {
        let pool = self.pool.read().unwrap_or_else(PoisonError::into_inner).clone();
        pool.ok_or(Fault::Unavailable("the database is closed"))
    }
}

impl Store {
    /// Runs `read` on a blocking thread, inside one snapshot.
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let turn = self.readers.turns.clone().acquire_owned().await.map_err(Fault::internal)?;
        let readers = self.readers.clone();
        let work = move || {
            let _turn = turn;
            let connection = readers.pool()?.get().map_err(Fault::internal)?;
            let snapshot = connection.unchecked_transaction()?;
            let result = read(&snapshot)?;
            snapshot.finish()?;
            Ok(result)
        };
        tokio::task::spawn_blocking(work).await.map_err(Fault::internal)?
    }
}
