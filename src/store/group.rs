//! One group of writes: a transaction, a savepoint for each unit in it, one COMMIT.
//!
//! A unit that fails or panics is rolled back and answered by itself. What fails the whole group is a failed COMMIT, or a
//! fault after which SQLite has rolled back everything.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Shared;
use super::known::Known;
use crate::error::Fault;
use crate::notify::Event;

/// The transaction as a write function sees it.
pub(super) struct WriteTx<'c> {
    connection: &'c Connection,
    /// What the operation runs against besides the database.
    pub(super) shared: &'c Shared,
    /// What the writer knows without asking the database.
    pub(super) known: &'c mut Known,
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
    /// The newest seq that was given out.
    pub(super) fn newest_seq(&self) -> i64 {
        self.next_seq - 1
    }

    /// Gives out the numbers up to this one.
    pub(super) fn spend_seqs(&mut self, last: i64) {
        self.next_seq = last + 1;
    }

    /// Leaves word of what was done, to be told once it is committed. Nothing that the writer knows of sessions outlives it.
    pub(super) fn leave(&mut self, event: Event) {
        self.known.forget_all();
        self.events.push(event);
    }
}

/// One operation in the queue.
pub(super) trait Unit: Send {
    /// Runs inside a savepoint. `Err`: what it did is to be undone.
    fn run(&mut self, tx: &mut WriteTx<'_>) -> Result<(), Fault>;
    /// Answers whoever waits. `Err`: the whole group failed.
    fn answer(self: Box<Self>, group: Result<(), Fault>);
}

pub(super) struct Operation<T, F> {
    work: Option<F>,
    result: Option<Result<T, Fault>>,
    reply: oneshot::Sender<Result<T, Fault>>,
}

impl<T, F> Operation<T, F> {
    /// Of this work, whose outcome goes to `reply`.
    pub(super) fn new(work: F, reply: oneshot::Sender<Result<T, Fault>>) -> Self {
        Self { work: Some(work), result: None, reply }
    }
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

/// Why a whole group failed.
pub(super) struct GroupFault {
    pub(super) fault: Fault,
    /// The commit may or may not be on disk.
    pub(super) durability_unknown: bool,
}

impl GroupFault {
    fn known(error: rusqlite::Error) -> Self {
        Self { fault: error.into(), durability_unknown: false }
    }
}

/// Runs all units and commits. What they left to be told is the answer.
pub(super) fn commit<'u>(
    connection: &Connection,
    shared: &Shared,
    known: &mut Known,
    units: impl Iterator<Item = &'u mut (dyn Unit + 'static)>,
) -> Result<Vec<Event>, GroupFault> {
    let statement = |sql: &str| connection.prepare_cached(sql).and_then(|mut prepared| prepared.execute([]));
    statement("BEGIN IMMEDIATE").map_err(GroupFault::known)?;
    let now_us = shared.clock.now_us();
    let next_seq = shared.head.load(Ordering::SeqCst) + 1;
    let mut tx = WriteTx { connection, shared, known, now_us, next_seq, events: Vec::new() };
    for unit in units {
        if let Err(fault) = run_unit(unit, &mut tx) {
            tx.known.forget_all();
            roll_back(connection);
            return Err(GroupFault { fault, durability_unknown: false });
        }
    }
    let WriteTx { known, next_seq, events, .. } = tx;
    if let Err(error) = statement("COMMIT") {
        known.forget_all();
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
        tx.known.forget_all();
        tx.next_seq = seq_before;
        tx.events.truncate(events_before);
    }
    statement("RELEASE unit")?;
    Ok(())
}
