//! The one writer: a thread that owns the only writing connection, and commits in groups.
//!
//! Whatever is queued when the thread is free becomes one transaction: each unit of it in a savepoint of its own, one COMMIT
//! with one fsync, then the events, then the answers. There is no timer: a lone push is committed at once, and under load the
//! fsync of one group is the time in which the next one gathers. A lock around a pool of writing connections would pay an
//! fsync per push.
//!
//! A unit that fails or panics is rolled back and answered by itself. What fails a whole group is a failed COMMIT, or a
//! fault after which SQLite has rolled back everything. After a failed fsync nobody can know what is on disk: reads and
//! writes are turned away until the file has been reopened and its log checkpointed with success.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::lock::DataLock;
use super::readers::Readers;
use super::{DATABASE_FILE, Shared, Store, connect, epochs};
use crate::error::Fault;
use crate::notify::Event;

/// Units that may wait.
const QUEUE_UNITS: usize = 4096;
/// KiB of units that may wait; more of them wait outside, holding back their connections.
const QUEUE_KIB: usize = 32 * 1024;
/// Units in one transaction, at most.
const GROUP_UNITS: usize = 256;
/// KiB in one transaction, at most.
const GROUP_KIB: u32 = 8 * 1024;
/// Pause between two attempts to reopen the database after a failed commit.
const REOPEN_PAUSE: Duration = Duration::from_millis(500);

/// The transaction as a write function sees it.
pub(super) struct WriteTx<'c> {
    connection: &'c Connection,
    /// What the operation runs against besides the database.
    pub(super) shared: &'c Shared,
    /// Microseconds since 1970, one time for the whole group.
    pub(super) now_us: i64,
    next_seq: i64,
    events: Vec<Event>,
}

impl std::ops::Deref for WriteTx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl WriteTx<'_> {
    /// Takes the next `count` numbers of the log and returns the first.
    pub(super) fn take_seqs(&mut self, count: usize) -> i64 {
        let first = self.next_seq;
        self.next_seq += count as i64;
        first
    }

    /// Leaves word of what was done, to be told once it is committed.
    pub(super) fn leave(&mut self, event: Event) {
        self.events.push(event);
    }
}

/// One operation in the queue.
trait Unit: Send {
    /// Runs inside a savepoint. `Err`: what it did is to be undone.
    fn run(&mut self, tx: &mut WriteTx<'_>) -> Result<(), Fault>;
    /// Answers whoever waits. `Err`: the whole group failed.
    fn answer(self: Box<Self>, group: Result<(), Fault>);
}

struct Operation<T, F> {
    work: Option<F>,
    result: Option<Result<T, Fault>>,
    reply: oneshot::Sender<Result<T, Fault>>,
}

impl<T, F> Unit for Operation<T, F>
where
    T: Send,
    F: FnOnce(&mut WriteTx<'_>) -> Result<T, Fault> + Send,
{
    fn run(&mut self, tx: &mut WriteTx<'_>) -> Result<(), Fault> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let result = catch_unwind(AssertUnwindSafe(|| work(tx)))
            .unwrap_or_else(|_| Err(Fault::Internal("a write operation panicked".into())));
        let outcome = result.as_ref().map(|_| ()).map_err(Fault::clone);
        self.result = Some(result);
        outcome
    }

    fn answer(self: Box<Self>, group: Result<(), Fault>) {
        let unrun = || Err(Fault::Unavailable("the operation was not run"));
        let own = self.result.unwrap_or_else(unrun);
        let _ = self.reply.send(group.and(own));
    }
}

struct Queued {
    unit: Box<dyn Unit>,
    kib: u32,
    _room: OwnedSemaphorePermit,
}

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
    /// Runs `work` in the writer, in a savepoint, and answers once it is committed. `kib` is what it weighs in memory.
    pub(super) async fn write<T, F>(&self, kib: usize, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&mut WriteTx<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let kib = kib.clamp(1, QUEUE_KIB) as u32;
        let closed = |_| Fault::Unavailable("the server is shutting down");
        let room = self.writer.room.clone().acquire_many_owned(kib).await.map_err(Fault::internal)?;
        let (reply, answer) = oneshot::channel();
        let unit = Box::new(Operation { work: Some(work), result: None, reply });
        let message = Message::Unit(Queued { unit, kib, _room: room });
        self.writer
            .queue
            .send(message)
            .await
            .map_err(|_| Fault::Unavailable("the server is shutting down"))?;
        answer.await.map_err(closed)?
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
    let writer = Writer { connection: Some(connection), inbox, shared, readers };
    thread::Builder::new()
        .name("writer".into())
        .spawn(move || {
            let closed = writer.run();
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
    inbox: mpsc::Receiver<Message>,
    shared: Arc<Shared>,
    readers: Readers,
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
                Some(Closing::Abandoned) => break None,
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
        let Some(mut message) = self.inbox.blocking_recv() else { return (group, Some(Closing::Abandoned)) };
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

    fn work(&mut self, mut group: Vec<Queued>) {
        let Some(connection) = &self.connection else {
            return self.recover(group);
        };
        let outcome = commit_group(connection, &self.shared, &mut group);
        match outcome {
            Ok(events) => {
                self.shared.hub.publish(&events);
                group.into_iter().for_each(|queued| queued.unit.answer(Ok(())));
            }
            Err(GroupFault { fault, durability_unknown }) => {
                tracing::error!(%fault, units = group.len(), "a group of writes failed");
                if durability_unknown {
                    self.readers.pause();
                    self.connection = None;
                }
                group.into_iter().for_each(|queued| queued.unit.answer(Err(fault.clone())));
                if durability_unknown {
                    self.recover(Vec::new());
                }
            }
        }
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
                        let _ = reply.send(());
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
        if self.shared.options.serving {
            epochs::begin(&connection, &self.shared)?;
        }
        self.readers.resume()?;
        Ok(connection)
    }
}

enum Closing {
    Asked(oneshot::Sender<()>),
    Abandoned,
}

/// Why a whole group failed.
struct GroupFault {
    fault: Fault,
    /// The commit may or may not be on disk.
    durability_unknown: bool,
}

impl GroupFault {
    fn known(error: rusqlite::Error) -> Self {
        Self { fault: error.into(), durability_unknown: false }
    }
}

fn commit_group(
    connection: &Connection,
    shared: &Shared,
    group: &mut [Queued],
) -> Result<Vec<Event>, GroupFault> {
    let statement = |sql: &str| connection.prepare_cached(sql).and_then(|mut prepared| prepared.execute([]));
    statement("BEGIN IMMEDIATE").map_err(GroupFault::known)?;
    let now_us = shared.clock.now_us();
    let next_seq = shared.head.load(Ordering::SeqCst) + 1;
    let mut tx = WriteTx { connection, shared, now_us, next_seq, events: Vec::new() };
    for queued in group.iter_mut() {
        if let Err(fault) = run_unit(queued.unit.as_mut(), &mut tx) {
            roll_back(connection);
            return Err(GroupFault { fault, durability_unknown: false });
        }
    }
    let WriteTx { next_seq, events, .. } = tx;
    if let Err(error) = statement("COMMIT") {
        let fault = Fault::from(error);
        let durability_unknown = !matches!(fault, Fault::StorageFull);
        roll_back(connection);
        return Err(GroupFault { fault, durability_unknown });
    }
    shared.head.store(next_seq - 1, Ordering::SeqCst);
    Ok(events)
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
}

/// Runs one unit in a savepoint. `Err` only if the whole group is lost with it.
fn run_unit(unit: &mut dyn Unit, tx: &mut WriteTx<'_>) -> Result<(), Fault> {
    let connection = tx.connection;
    let statement = |sql: &str| connection.prepare_cached(sql).and_then(|mut prepared| prepared.execute([]));
    let (seq_before, events_before) = (tx.next_seq, tx.events.len());
    statement("SAVEPOINT unit")?;
    let outcome = unit.run(tx);
    if connection.is_autocommit() {
        // A full disk or an I/O error made SQLite roll back everything, not just this unit.
        return outcome.and(Err(Fault::Internal("SQLite ended the transaction".into())));
    }
    if outcome.is_err() {
        statement("ROLLBACK TO unit")?;
        tx.next_seq = seq_before;
        tx.events.truncate(events_before);
    }
    statement("RELEASE unit")?;
    Ok(())
}
