//! Group commit: one transaction and one COMMIT for all operations that wait.
//!
//! An operation that fails or panics is rolled back and answered by itself. That takes a savepoint for each, for
//! which SQLite copies every page that the operation shares with those before it; and operations rarely fail. So a
//! group runs without savepoints first, and again with them only if an operation fails after it has written
//! something. The whole group fails with its COMMIT, or after a fault for which SQLite rolls back everything.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::answer::Answer;
use super::batch_buffer::{BufferTx, FlushState};
use super::session_devices::Link;
use super::shared::Shared;
use super::writer_cache::WriterCache;
use crate::error::Fault;
use crate::notify::{Event, Pushed};

/// The transaction as a write function sees it.
pub(super) struct WriteTx<'c> {
    connection: &'c Connection,
    pub(super) shared: &'c Shared,
    pub(super) cache: &'c mut WriterCache,
    pub(super) buffer: BufferTx<'c>,
    /// Links of sessions to devices that it wrote, or found written.
    pub(super) links: Vec<Link>,
    /// Microseconds since 1970, the same for the whole group.
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

impl<'c> WriteTx<'c> {
    fn new(connection: &'c Connection, shared: &'c Shared, state: &'c mut WriterState) -> Self {
        Self {
            connection,
            shared,
            cache: &mut state.cache,
            buffer: BufferTx::new(&shared.buffer, &mut state.flush),
            links: Vec::new(),
            now_us: shared.clock.now_us(),
            next_seq: shared.head.load(Ordering::SeqCst) + 1,
            events: Vec::new(),
        }
    }

    /// The connection, for as long as the transaction may run, whatever becomes of `self`.
    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// The highest seq assigned before this transaction.
    pub(super) fn committed_seq(&self) -> i64 {
        self.shared.head.load(Ordering::SeqCst)
    }

    /// The highest seq assigned.
    pub(super) fn newest_seq(&self) -> i64 {
        self.next_seq - 1
    }

    /// Assigns the seqs up to this one.
    pub(super) fn assign_seqs(&mut self, last: i64) {
        self.next_seq = last + 1;
    }

    /// Publishes a push once it is committed.
    pub(super) fn publish_push(&mut self, pushed: Pushed) {
        self.events.push(Event::Pushed(pushed));
    }

    /// Publishes any other event once it is committed. Most of them may end sessions, so the writer's cache is dropped.
    pub(super) fn publish(&mut self, event: Event) {
        self.cache.clear();
        self.events.push(event);
    }

    fn roll_back(&mut self) {
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        self.cache.clear();
        self.buffer.roll_back();
        self.links.clear();
        self.next_seq = self.committed_seq() + 1;
        self.events.clear();
    }

    /// Makes everybody see what was committed, except for the events, which are returned.
    fn apply(mut self) -> Vec<Event> {
        self.buffer.apply();
        self.shared.session_devices.keep(self.links);
        self.shared.head.store(self.next_seq - 1, Ordering::SeqCst);
        self.events
    }
}

/// What the writer keeps from one group to the next.
#[derive(Default)]
pub(super) struct WriterState {
    cache: WriterCache,
    flush: FlushState,
}

/// What a write does inside the transaction.
pub(super) type Work = Box<dyn Fn(&mut WriteTx<'_>) -> Result<Answer, Fault> + Send>;

/// An operation, and the queue space that it holds until it is answered.
pub(super) struct Operation {
    work: Work,
    result: Option<Result<Answer, Fault>>,
    reply: oneshot::Sender<Result<Answer, Fault>>,
    kib: u32,
    _permit: OwnedSemaphorePermit,
}

impl Operation {
    /// Its outcome goes to `reply`.
    pub(super) fn new(
        work: Work,
        reply: oneshot::Sender<Result<Answer, Fault>>,
        kib: u32,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self { work, result: None, reply, kib, _permit: permit }
    }

    /// The memory that it holds, in KiB.
    pub(super) fn kib(&self) -> u32 {
        self.kib
    }

    /// Runs inside the transaction, perhaps again after it was rolled back. `Err`: what it wrote must be rolled back.
    fn run(&mut self, tx: &mut WriteTx<'_>) -> Result<(), Fault> {
        let result = catch_unwind(AssertUnwindSafe(|| (self.work)(tx)))
            .unwrap_or_else(|_| Err(Fault::Internal("a write operation panicked".into())));
        let outcome = result.as_ref().map(|_| ()).map_err(Fault::clone);
        self.result = Some(result);
        outcome
    }

    /// Answers the task that waits. `Err`: the whole group failed.
    pub(super) fn answer(self, group: Result<(), Fault>) {
        let not_run = || Err(Fault::Unavailable("the operation was not run"));
        let own = self.result.unwrap_or_else(not_run);
        let _ = self.reply.send(group.and(own));
    }
}

/// Why a whole group failed.
pub(super) struct GroupFault {
    pub(super) fault: Fault,
    /// The commit may or may not be on disk.
    pub(super) durability_unknown: bool,
}

/// Runs all operations and commits. Returns the events to publish.
pub(super) fn commit(
    connection: &Connection,
    shared: &Shared,
    state: &mut WriterState,
    group: &mut [Operation],
) -> Result<Vec<Event>, GroupFault> {
    let mut tx = WriteTx::new(connection, shared, state);
    let ran = run_all(group, &mut tx, Isolation::Optimistic).and_then(|ran| match ran {
        GroupRun::Complete => Ok(()),
        GroupRun::OneFailed => {
            tx.roll_back();
            run_all(group, &mut tx, Isolation::Savepoints).map(drop)
        }
    });
    let ended = ran.map_err(|fault| GroupFault { fault, durability_unknown: false }).and_then(|()| {
        execute(connection, "COMMIT").map_err(|fault| {
            let durability_unknown = !matches!(fault, Fault::StorageFull);
            GroupFault { fault, durability_unknown }
        })
    });
    match ended {
        Ok(()) => Ok(tx.apply()),
        Err(fault) => {
            tx.roll_back();
            Err(fault)
        }
    }
}

/// How the operations of a group are kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Isolation {
    /// Not at all, in the expectation that none fails.
    Optimistic,
    Savepoints,
}

enum GroupRun {
    Complete,
    /// One failed after it had written something, which now only the end of the transaction undoes.
    OneFailed,
}

/// Begins a transaction and runs all operations in it. `Err` only if the whole group is lost.
fn run_all(group: &mut [Operation], tx: &mut WriteTx<'_>, isolation: Isolation) -> Result<GroupRun, Fault> {
    execute(tx.connection, "BEGIN IMMEDIATE")?;
    for operation in group {
        match isolation {
            Isolation::Savepoints => run_in_savepoint(operation, tx)?,
            Isolation::Optimistic => {
                let (seq_before, events_before) = (tx.next_seq, tx.events.len());
                let changes_before = tx.connection.total_changes();
                let failed = operation.run(tx).is_err();
                let has_changed = tx.connection.total_changes() != changes_before;
                if tx.connection.is_autocommit() || (failed && has_changed) {
                    return Ok(GroupRun::OneFailed);
                }
                if failed {
                    tx.next_seq = seq_before;
                    tx.events.truncate(events_before);
                }
            }
        }
    }
    Ok(GroupRun::Complete)
}

/// Runs one operation in a savepoint. `Err` only if the whole group is lost with it.
fn run_in_savepoint(operation: &mut Operation, tx: &mut WriteTx<'_>) -> Result<(), Fault> {
    let connection = tx.connection;
    let (seq_before, events_before, links_before) = (tx.next_seq, tx.events.len(), tx.links.len());
    let buffer_before = tx.buffer.savepoint();
    execute(connection, "SAVEPOINT operation")?;
    let outcome = operation.run(tx);
    if connection.is_autocommit() {
        // A full disk or an I/O error made SQLite roll back everything, not just this operation.
        return outcome.and(Err(Fault::Internal("SQLite ended the transaction".into())));
    }
    if outcome.is_err() {
        execute(connection, "ROLLBACK TO operation")?;
        tx.cache.clear();
        tx.buffer.roll_back_to(buffer_before);
        tx.links.truncate(links_before);
        tx.next_seq = seq_before;
        tx.events.truncate(events_before);
    }
    execute(connection, "RELEASE operation")
}

fn execute(connection: &Connection, sql: &str) -> Result<(), Fault> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
