//! The writer: a thread that owns the only writing connection, and commits in groups.
//!
//! Whatever is queued when the thread is free becomes one transaction: one COMMIT with one fsync, then the events,
//! then the answers. There is no timer: a lone push is committed at once, and under load the next group gathers
//! during the fsync of the current one. A lock around a pool of writing connections would pay an fsync per push.
//!
//! After a failed fsync it is unknown what is on disk: reads and writes are refused until the file has been reopened
//! and its write-ahead log checkpointed successfully.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::answer::Answer;
use super::group::{self, GroupFault, Operation, Work, WriterState};
use super::lock::DataLock;
use super::options::DATABASE_FILE;
use super::readers::Readers;
use super::shared::Shared;
use super::{connect, epochs};
use crate::error::Fault;
use crate::notify::Event;

/// Operations that the queue holds.
const MAX_QUEUED: usize = 4096;
/// KiB of operations that the queue holds. Callers with more wait outside it, which holds back their connections.
const MAX_QUEUED_KIB: usize = 32 * 1024;
/// Operations in one transaction, at most.
const MAX_GROUP: usize = 256;
/// KiB in one transaction, at most.
const MAX_GROUP_KIB: u32 = 8 * 1024;
/// Length of the write-ahead log beyond which it is truncated, in bytes.
const MAX_WAL_BYTES: u64 = 64 * 1024 * 1024;
/// How long truncating it waits for reads in progress: all writes wait with it.
const TRUNCATE_TIMEOUT: Duration = Duration::from_millis(500);
/// How long the writer spins for more after a group of one. A client that pushes change after change sends the next
/// one right after the answer, and waking the thread for it takes as long as half a commit.
const SPIN: Duration = Duration::from_micros(150);
/// Pause between two attempts to reopen the database after a failed commit.
const REOPEN_PAUSE: Duration = Duration::from_millis(500);

enum Message {
    Operation(Operation),
    Close(oneshot::Sender<()>),
}

/// Sends to the queue. Cheap to clone.
#[derive(Clone)]
pub(super) struct Handle {
    queue: mpsc::Sender<Message>,
    /// Permits for KiB in the queue.
    space: Arc<Semaphore>,
}

impl Handle {
    /// Commits what is queued, then closes the database.
    pub(super) async fn close(&self) {
        let (closed, wait) = oneshot::channel();
        if self.queue.send(Message::Close(closed)).await.is_ok() {
            let _ = wait.await;
        }
    }

    /// Runs `work` in the writer and returns once it is committed. `work` runs twice if another operation of its
    /// group fails. `kib` is the memory that it holds.
    pub(super) async fn run(&self, kib: usize, work: Work) -> Result<Answer, Fault> {
        let kib = kib.clamp(1, MAX_QUEUED_KIB) as u32;
        let permit = self.space.clone().acquire_many_owned(kib).await.map_err(Fault::internal)?;
        let (reply, answer) = oneshot::channel();
        let message = Message::Operation(Operation::new(work, reply, kib, permit));
        let closed = || Fault::Unavailable("the server is shutting down");
        self.queue.send(message).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

/// Starts the writer's thread.
pub(super) fn start(
    connection: Connection,
    lock: DataLock,
    shared: Arc<Shared>,
    readers: Readers,
) -> Result<Handle, Fault> {
    let (queue, inbox) = mpsc::channel(MAX_QUEUED);
    let wal = shared.options.data.join(format!("{DATABASE_FILE}-wal"));
    let writer = Writer {
        connection: Some(connection),
        state: WriterState::default(),
        lone_since: None,
        inbox,
        shared,
        readers,
        wal,
        wal_bound: MAX_WAL_BYTES,
        closing: None,
    };
    thread::Builder::new()
        .name("writer".into())
        .spawn(move || {
            // A server without its writer would answer 503 for ever; one that exits is restarted by its supervisor.
            let closed =
                catch_unwind(AssertUnwindSafe(|| writer.run())).unwrap_or_else(|_| std::process::abort());
            drop(lock);
            if let Some(closed) = closed {
                let _ = closed.send(());
            }
        })
        .map_err(Fault::internal)?;
    Ok(Handle { queue, space: Arc::new(Semaphore::new(MAX_QUEUED_KIB)) })
}

struct Writer {
    /// `None` after a failed commit, until the database is reopened.
    connection: Option<Connection>,
    state: WriterState,
    /// When the last group was committed, if it was a single operation.
    lone_since: Option<Instant>,
    inbox: mpsc::Receiver<Message>,
    shared: Arc<Shared>,
    readers: Readers,
    /// The file of the write-ahead log.
    wal: PathBuf,
    /// The length beyond which it is truncated next, in bytes.
    wal_bound: u64,
    /// Set if the store is closed while the database is being reopened.
    closing: Option<oneshot::Sender<()>>,
}

impl Writer {
    /// Works until it is told to close, or until every handle is dropped. Returns whom to tell that it is closed.
    fn run(mut self) -> Option<oneshot::Sender<()>> {
        let closed = loop {
            let (group, closed) = self.gather();
            if !group.is_empty() {
                self.commit(group);
            }
            match closed {
                Some(Closing::Requested(reply)) => break Some(reply),
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

    /// Waits for an operation, then takes what else is queued, within the bounds of a group.
    fn gather(&mut self) -> (Vec<Operation>, Option<Closing>) {
        let mut group = Vec::new();
        let mut kib = 0;
        let first = self.spin().or_else(|| self.inbox.blocking_recv());
        let Some(mut message) = first else { return (group, Some(Closing::Abandoned)) };
        loop {
            match message {
                Message::Close(reply) => return (group, Some(Closing::Requested(reply))),
                Message::Operation(operation) => {
                    kib += operation.kib();
                    group.push(operation);
                }
            }
            if group.len() >= MAX_GROUP || kib >= MAX_GROUP_KIB {
                return (group, None);
            }
            match self.inbox.try_recv() {
                Ok(next) => message = next,
                Err(_) => return (group, None),
            }
        }
    }

    /// What comes right after a group of one.
    fn spin(&mut self) -> Option<Message> {
        let began = self.lone_since.take()?;
        while began.elapsed() < SPIN {
            match self.inbox.try_recv() {
                Ok(message) => return Some(message),
                Err(TryRecvError::Empty) => thread::yield_now(),
                Err(TryRecvError::Disconnected) => return None,
            }
        }
        None
    }

    fn commit(&mut self, mut group: Vec<Operation>) {
        let operations = group.len();
        let Some(connection) = &self.connection else {
            return self.recover(group);
        };
        let outcome = group::commit(connection, &self.shared, &mut self.state, &mut group);
        match outcome {
            Ok(events) => {
                self.shared.hub.publish(&events);
                group.into_iter().for_each(|operation| operation.answer(Ok(())));
                self.bound_wal();
                self.lone_since = (operations == 1).then(Instant::now);
            }
            Err(GroupFault { fault, durability_unknown }) => {
                tracing::error!(%fault, operations, "a group of writes failed");
                if durability_unknown {
                    self.readers.pause();
                    self.connection = None;
                }
                let answer = if durability_unknown { Fault::Unavailable("a commit failed") } else { fault };
                group.into_iter().for_each(|operation| operation.answer(Err(answer.clone())));
                if durability_unknown {
                    self.recover(Vec::new());
                }
            }
        }
    }

    /// Truncates the write-ahead log when it has grown too long. The checkpoints that SQLite makes by itself never do
    /// that while reads overlap; this one lets new reads bypass the log, so it only waits for reads in progress. It
    /// does not wait for a very long one, such as that of a check: then the log may grow by as much again before the
    /// next attempt.
    fn bound_wal(&mut self) {
        let length = std::fs::metadata(&self.wal).map_or(0, |found| found.len());
        let Some(connection) = self.connection.as_ref().filter(|_| length > self.wal_bound) else { return };
        let busy = connect::with_busy_timeout(connection, TRUNCATE_TIMEOUT, |connection| {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        });
        self.wal_bound = if matches!(busy, Ok(0)) { MAX_WAL_BYTES } else { length + MAX_WAL_BYTES };
    }

    /// Reopens the database, and refuses operations meanwhile.
    fn recover(&mut self, mut waiting: Vec<Operation>) {
        loop {
            for operation in waiting.drain(..) {
                operation.answer(Err(Fault::Unavailable("recovering from a failed write")));
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
            while waiting.len() < MAX_GROUP {
                match self.inbox.try_recv() {
                    Ok(Message::Operation(operation)) => waiting.push(operation),
                    Ok(Message::Close(reply)) => {
                        self.closing = Some(reply);
                        self.inbox.close();
                    }
                    Err(_) => break,
                }
            }
        }
    }

    /// Only a checkpoint that has synced every frame proves that what can be read is on disk.
    fn reopen(&self) -> Result<Connection, Fault> {
        let path = self.shared.options.data.join(DATABASE_FILE);
        let connection = connect::writer(&path, self.shared.options.synchronous)?;
        let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy != 0 {
            return Err(Fault::Unavailable("a reader still holds the write-ahead log"));
        }
        self.shared.buffer.load(&connection)?;
        if self.shared.options.serving {
            epochs::begin(&connection, &self.shared)?;
        }
        // The group whose commit failed may be on disk after all, and its events were not published.
        self.shared.hub.publish(&[Event::Reopened]);
        self.readers.resume()?;
        Ok(connection)
    }
}

enum Closing {
    Requested(oneshot::Sender<()>),
    /// Every handle was dropped.
    Abandoned,
}
