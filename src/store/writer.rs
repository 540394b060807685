//! The one writer: a thread that owns the only writing connection, and commits in groups.
//!
//! Whatever is queued when the thread is free becomes one transaction: one COMMIT with one fsync, then the events, then the
//! answers. There is no timer: a lone push is committed at once, and under load the
//! fsync of one group is the time in which the next one gathers. A lock around a pool of writing connections would pay an
//! fsync per push.
//!
//! After a failed fsync nobody can know what is on disk: reads and writes are turned away until the file has been reopened
//! and its log checkpointed with success.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::group::{self, GroupFault, Operation, Queued, WriteTx};
use super::known::Known;
use super::lock::DataLock;
use super::readers::Readers;
use super::{DATABASE_FILE, Shared, Store, connect, epochs, sessions};
use crate::error::Fault;
use crate::model::sessions::Caller;
use crate::notify::Event;

/// Units that may wait.
const QUEUE_UNITS: usize = 4096;
/// KiB of units that may wait; more of them wait outside, holding back their connections.
const QUEUE_KIB: usize = 32 * 1024;
/// Units in one transaction, at most.
const GROUP_UNITS: usize = 256;
/// KiB in one transaction, at most.
const GROUP_KIB: u32 = 8 * 1024;
/// Length of the write-ahead log beyond which it is emptied, in bytes.
const MAX_LOG_BYTES: u64 = 64 * 1024 * 1024;
/// How long emptying it waits for reads that are under way: everybody's writes wait with it.
const LONGEST_READ: Duration = Duration::from_millis(500);
/// How long the writer looks out for more after a group of one. A client that pushes change after change sends its next one
/// right after the answer, and to be woken for it takes as long as half a commit.
const LINGER: Duration = Duration::from_micros(150);
/// Pause between two attempts to reopen the database after a failed commit.
const REOPEN_PAUSE: Duration = Duration::from_millis(500);

enum Message {
    Unit(Queued),
    Close(oneshot::Sender<()>),
}

/// The way into the queue. Cheap to clone.
#[derive(Clone)]
pub(super) struct Handle {
    queue: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
}

impl Handle {
    /// Commits nothing more after what is queued, and closes the database.
    pub(super) async fn close(&self) {
        let (closed, wait) = oneshot::channel();
        if self.queue.send(Message::Close(closed)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

impl Store {
    /// Runs `work` in the writer and answers once it is committed. It may be run twice, if another unit of its group fails.
    /// `kib` is what it weighs in memory.
    pub(super) async fn write<T, F>(&self, kib: usize, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Fn(&mut WriteTx<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let kib = kib.clamp(1, QUEUE_KIB) as u32;
        let closed = |_| Fault::Unavailable("the server is shutting down");
        let room = self.writer.room.clone().acquire_many_owned(kib).await.map_err(Fault::internal)?;
        let (reply, answer) = oneshot::channel();
        let unit = Box::new(Operation::new(work, reply));
        let message = Message::Unit(Queued { unit, kib, _room: room });
        self.writer
            .queue
            .send(message)
            .await
            .map_err(|_| Fault::Unavailable("the server is shutting down"))?;
        answer.await.map_err(closed)?
    }
}

impl Store {
    /// As [`Store::write`], for a caller: refused with [`Fault::SessionEnded`] if the session has ended meanwhile.
    pub(super) async fn write_for<T, F>(&self, caller: &Caller, kib: usize, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Fn(&mut WriteTx<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let session = caller.session;
        self.write(kib, move |tx| {
            sessions::require(tx, session)?;
            work(tx)
        })
        .await
    }
}

/// Starts the writer's thread.
pub(super) fn start(
    connection: Connection,
    lock: DataLock,
    shared: Arc<Shared>,
    readers: Readers,
) -> Result<Handle, Fault> {
    let (queue, inbox) = mpsc::channel(QUEUE_UNITS);
    let log = shared.options.data.join(format!("{DATABASE_FILE}-wal"));
    let writer = Writer {
        connection: Some(connection),
        known: Known::default(),
        lone: None,
        inbox,
        shared,
        readers,
        log,
        log_bound: MAX_LOG_BYTES,
        closing: None,
    };
    thread::Builder::new()
        .name("writer".into())
        .spawn(move || {
            // A server without its writer would answer 503 for ever; one that ends is started again by whoever watches it.
            let closed =
                catch_unwind(AssertUnwindSafe(|| writer.run())).unwrap_or_else(|_| std::process::abort());
            drop(lock);
            if let Some(closed) = closed {
                let _ = closed.send(());
            }
        })
        .map_err(Fault::internal)?;
    Ok(Handle { queue, room: Arc::new(Semaphore::new(QUEUE_KIB)) })
}

struct Writer {
    /// `None` after a commit that failed, until the database is reopened.
    connection: Option<Connection>,
    known: Known,
    /// When the last group was done, if it was of one unit.
    lone: Option<Instant>,
    inbox: mpsc::Receiver<Message>,
    shared: Arc<Shared>,
    readers: Readers,
    /// The file of the write-ahead log.
    log: PathBuf,
    /// Its length beyond which it is to be emptied next, in bytes.
    log_bound: u64,
    /// Who asked to close while the database was being reopened.
    closing: Option<oneshot::Sender<()>>,
}

impl Writer {
    /// Works until told to close, or until nobody can ask any more.
    fn run(mut self) -> Option<oneshot::Sender<()>> {
        let closed = loop {
            let (group, closed) = self.gather();
            if !group.is_empty() {
                self.work(group);
            }
            match closed {
                Some(Closing::Asked(reply)) => break Some(reply),
                Some(Closing::Abandoned) => break self.closing.take(),
                None => {}
            }
        };
        if let Some(connection) = self.connection.take() {
            let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
            let _ = connection.close();
        }
        closed
    }

    /// Waits for a unit, then takes those that are already there, within the bounds of a group.
    fn gather(&mut self) -> (Vec<Queued>, Option<Closing>) {
        let mut group = Vec::new();
        let mut kib = 0;
        let first = self.linger().or_else(|| self.inbox.blocking_recv());
        let Some(mut message) = first else { return (group, Some(Closing::Abandoned)) };
        loop {
            match message {
                Message::Close(reply) => return (group, Some(Closing::Asked(reply))),
                Message::Unit(queued) => {
                    kib += queued.kib;
                    group.push(queued);
                }
            }
            if group.len() >= GROUP_UNITS || kib >= GROUP_KIB {
                return (group, None);
            }
            match self.inbox.try_recv() {
                Ok(next) => message = next,
                Err(_) => return (group, None),
            }
        }
    }

    /// What comes within a moment of a group of one.
    fn linger(&mut self) -> Option<Message> {
        let began = self.lone.take()?;
        while began.elapsed() < LINGER {
            match self.inbox.try_recv() {
                Ok(message) => return Some(message),
                Err(TryRecvError::Empty) => thread::yield_now(),
                Err(TryRecvError::Disconnected) => return None,
            }
        }
        None
    }

    fn work(&mut self, mut group: Vec<Queued>) {
        let units = group.len();
        let Some(connection) = &self.connection else {
            return self.recover(group);
        };
        let outcome = group::commit(connection, &self.shared, &mut self.known, &mut group);
        match outcome {
            Ok(events) => {
                self.shared.hub.publish(&events);
                group.into_iter().for_each(|queued| queued.unit.answer(Ok(())));
                self.bound_log();
                self.lone = (units == 1).then(Instant::now);
            }
            Err(GroupFault { fault, durability_unknown }) => {
                tracing::error!(%fault, units = group.len(), "a group of writes failed");
                if durability_unknown {
                    self.readers.pause();
                    self.connection = None;
                }
                let told = if durability_unknown { Fault::Unavailable("a commit failed") } else { fault };
                group.into_iter().for_each(|queued| queued.unit.answer(Err(told.clone())));
                if durability_unknown {
                    self.recover(Vec::new());
                }
            }
        }
    }

    /// Empties the write-ahead log when it has grown too long. The checkpoints that SQLite makes by itself never do that while
    /// reads overlap; this one lets new reads pass it by, so it waits for the longest of those under way. One that is very
    /// long, such as that of a check, is not waited for: then the log may grow by as much again before the next attempt.
    fn bound_log(&mut self) {
        let length = std::fs::metadata(&self.log).map_or(0, |found| found.len());
        let Some(connection) = self.connection.as_ref().filter(|_| length > self.log_bound) else { return };
        let emptied = connect::with_patience(connection, LONGEST_READ, |connection| {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        });
        self.log_bound = if matches!(emptied, Ok(0)) { MAX_LOG_BYTES } else { length + MAX_LOG_BYTES };
    }

    /// Reopens the database; turns away what is asked of it in the meantime.
    fn recover(&mut self, mut waiting: Vec<Queued>) {
        loop {
            for queued in waiting.drain(..) {
                queued.unit.answer(Err(Fault::Unavailable("recovering from a failed write")));
            }
            match self.reopen() {
                Ok(connection) => {
                    self.connection = Some(connection);
                    tracing::info!("the database is open again");
                    return;
                }
                Err(fault) => tracing::error!(%fault, "the database could not be reopened yet"),
            }
            if self.inbox.is_closed() {
                return;
            }
            thread::park_timeout(REOPEN_PAUSE);
            while waiting.len() < GROUP_UNITS {
                match self.inbox.try_recv() {
                    Ok(Message::Unit(queued)) => waiting.push(queued),
                    Ok(Message::Close(reply)) => {
                        self.closing = Some(reply);
                        self.inbox.close();
                    }
                    Err(_) => break,
                }
            }
        }
    }

    /// Only a checkpoint that has synced every frame proves that what is readable is on disk.
    fn reopen(&self) -> Result<Connection, Fault> {
        let path = self.shared.options.data.join(DATABASE_FILE);
        let connection = connect::writer(&path, self.shared.options.synchronous)?;
        let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy != 0 {
            return Err(Fault::Unavailable("a reader still holds the write-ahead log"));
        }
        self.shared.tails.load(&connection)?;
        if self.shared.options.serving {
            epochs::begin(&connection, &self.shared)?;
        }
        // The group whose commit failed may be on disk after all, and its events were not told.
        self.shared.hub.publish(&[Event::Reopened]);
        self.readers.resume()?;
        Ok(connection)
    }
}

enum Closing {
    Asked(oneshot::Sender<()>),
    Abandoned,
}
