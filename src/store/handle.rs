//! The store as the rest of the program holds it.

use std::sync::Arc;

use rusqlite::Connection;

use super::answer;
use super::batch_buffer::LogSnapshot;
use super::group::WriteTx;
use super::readers::{Look, Readers};
use super::shared::Shared;
use super::writer;
use crate::error::Fault;

/// An open database. Cheap to clone; closes when the last clone is dropped or [`Store::close`] is called.
#[derive(Clone)]
pub struct Store {
    pub(super) shared: Arc<Shared>,
    pub(super) readers: Readers,
    pub(super) writer: writer::Handle,
}

impl Store {
    /// The current time, in microseconds since 1970.
    pub fn now_us(&self) -> i64 {
        self.shared.clock.now_us()
    }

    /// Runs `read` on a blocking thread, in one snapshot of the database.
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let look: Look = Box::new(move || Box::new(move |connection| answer::erase(read(connection))));
        self.readers.run(look).await.map(answer::restore)
    }

    /// Runs `read` in a snapshot that begins after `look`, with what `look` returned.
    pub(super) async fn read_after<L, T>(
        &self,
        look: impl FnOnce() -> L + Send + 'static,
        read: impl FnOnce(&Connection, L) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault>
    where
        L: 'static,
        T: Send + 'static,
    {
        let look: Look = Box::new(move || {
            let looked = look();
            Box::new(move |connection| answer::erase(read(connection, looked)))
        });
        self.readers.run(look).await.map(answer::restore)
    }

    /// As [`Store::read`], for what needs the batches of a log.
    pub(super) async fn read_log<T, F>(&self, log: i64, read: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&LogSnapshot<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let shared = self.shared.clone();
        let look = move || shared.buffer.unflushed(log);
        self.read_after(look, move |connection, buffered| read(&LogSnapshot::new(connection, log, buffered)))
            .await
    }

    /// Runs `work` in the writer and returns once it is committed. `work` runs twice if another operation of its
    /// group fails. `kib` is the memory that it holds.
    pub(super) async fn write<T, F>(&self, kib: usize, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Fn(&mut WriteTx<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let work = Box::new(move |tx: &mut WriteTx<'_>| answer::erase(work(tx)));
        self.writer.run(kib, work).await.map(answer::restore)
    }
}
