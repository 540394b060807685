//! The pool of reading connections.
//!
//! Reads run on blocking threads, one short snapshot each, and never while a response is being written. A semaphore
//! with as many permits as there are connections keeps waiting requests off the threads: a thousand of them cost a
//! thousand futures instead of a thousand stacks.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::answer::Answer;
use super::connect;
use super::options::{DATABASE_FILE, Options};
use crate::error::Fault;

/// How long a read waits for a connection; the semaphore makes waiting rare.
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(5);

/// What runs before the snapshot of a read begins, and returns the read.
pub(super) type Look = Box<dyn FnOnce() -> Read + Send>;
/// What runs in the snapshot.
pub(super) type Read = Box<dyn FnOnce(&Connection) -> Result<Answer, Fault>>;

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
        // A snapshot left open would hold back every checkpoint.
        !connection.is_autocommit()
    }
}

/// The pool. Cheap to clone.
#[derive(Clone)]
pub(super) struct Readers {
    pool: Arc<RwLock<Option<r2d2::Pool<Manager>>>>,
    permits: Arc<Semaphore>,
    path: PathBuf,
    size: u32,
}

impl Readers {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let readers = Self {
            pool: Arc::default(),
            permits: Arc::new(Semaphore::new(options.readers as usize)),
            path: options.data.join(DATABASE_FILE),
            size: options.readers,
        };
        readers.resume()?;
        Ok(readers)
    }

    /// Allows reads, on new connections.
    pub(super) fn resume(&self) -> Result<(), Fault> {
        let pool = r2d2::Pool::builder()
            .max_size(self.size)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .max_lifetime(None)
            .idle_timeout(None)
            .connection_timeout(CHECKOUT_TIMEOUT)
            .build(Manager { path: self.path.clone() })
            .map_err(Fault::internal)?;
        *self.pool.write().unwrap_or_else(PoisonError::into_inner) = Some(pool);
        Ok(())
    }

    /// Refuses reads; connections close as the reads that hold them end.
    pub(super) fn pause(&self) {
        *self.pool.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn pool(&self) -> Result<r2d2::Pool<Manager>, Fault> {
        let pool = self.pool.read().unwrap_or_else(PoisonError::into_inner).clone();
        pool.ok_or(Fault::Unavailable("the database is closed"))
    }

    /// Runs `look` on a blocking thread, and then, in a snapshot that begins after it, the read that it returned.
    pub(super) async fn run(&self, look: Look) -> Result<Answer, Fault> {
        let permit = self.permits.clone().acquire_owned().await.map_err(Fault::internal)?;
        let readers = self.clone();
        let work = move || {
            let _permit = permit;
            let connection = readers.pool()?.get().map_err(Fault::internal)?;
            let read = look();
            let snapshot = connection.unchecked_transaction()?;
            let answer = read(&snapshot)?;
            snapshot.finish()?;
            Ok(answer)
        };
        tokio::task::spawn_blocking(work).await.map_err(Fault::internal)?
    }
}
