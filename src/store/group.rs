//! One group of writes: a transaction, one COMMIT.
//!
//! A unit that fails or panics is rolled back and answered by itself. That takes a savepoint for each unit, for which SQLite
//! copies every page that the unit shares with those before it; and units hardly ever fail. So a group is tried without
//! savepoints first, and only if a unit fails after it has written something, run once more with them. What fails the whole
//! group is a failed COMMIT, or a fault after which SQLite has rolled back everything.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::Shared;
use super::changes::TailEdits;
use super::known::Known;
use crate::error::Fault;
use crate::notify::{Event, Pushed};

/// The transaction as a write function sees it.
pub(super) struct WriteTx<'c> {
    connection: &'c Connection,
    /// What the operation runs against besides the database.
    pub(super) shared: &'c Shared,
    /// What the writer knows without asking the database.
    pub(super) known: &'c mut Known,
    /// Microseconds since 1970, one time for the whole group.
    pub(super) now_us: i64,
    /// What is done to the tails of logs.
    pub(super) tails: TailEdits,
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
    /// The newest seq that was given out before this transaction.
    pub(super) fn committed_seq(&self) -> i64 {
        self.shared.head.load(Ordering::SeqCst)
    }

    /// The newest seq that was given out.
    pub(super) fn newest_seq(&self) -> i64 {
        self.next_seq - 1
    }

    /// Gives out the numbers up to this one.
    pub(super) fn spend_seqs(&mut self, last: i64) {
        self.next_seq = last + 1;
    }

    /// Ends the transaction as if it had not been.
    fn undo_all(&mut self) {
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        self.known.forget_all();
        self.tails = TailEdits::default();
        self.next_seq = self.committed_seq() + 1;
        self.events.clear();
    }

    /// Leaves word of a push, to be told once it is committed.
    pub(super) fn leave_pushed(&mut self, pushed: Pushed) {
        self.events.push(Event::Pushed(pushed));
    }

    /// Leaves word of anything else. Nothing that the writer knows of sessions outlives it.
    pub(super) fn leave(&mut self, event: Event) {
        self.known.forget_sessions();
        self.events.push(event);
    }
}

/// One operation in the queue.
pub(super) trait Unit: Send {
    /// Runs inside the transaction, perhaps a second time after the first was rolled back. `Err`: what it did is to be undone.
    fn run(&mut self, tx: &mut WriteTx<'_>) -> Result<(), Fault>;
    /// Answers whoever waits. `Err`: the whole group failed.
    fn answer(self: Box<Self>, group: Result<(), Fault>);
}

pub(super) struct Operation<T, F> {
    work: F,
    result: Option<Result<T, Fault>>,
    reply: oneshot::Sender<Result<T, Fault>>,
}

impl<T, F> Operation<T, F> {
    /// Of this work, whose outcome goes to `reply`.
    pub(super) fn new(work: F, reply: oneshot::Sender<Result<T, Fault>>) -> Self {
        Self { work, result: None, reply }
    }
}

impl<T, F> Unit for Operation<T, F>
where
    T: Send,
    F: Fn(&mut WriteTx<'_>) -> Result<T, Fault> + Send,
{
    fn run(&mut self, tx: &mut WriteTx<'_>) -> Result<(), Fault> {
        let result = catch_unwind(AssertUnwindSafe(|| (self.work)(tx)))
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

/// An operation, and the room that it takes in the queue until it is answered.
pub(super) struct Queued {
    pub(super) unit: Box<dyn Unit>,
    pub(super) kib: u32,
    pub(super) _room: OwnedSemaphorePermit,
}

/// Why a whole group failed.
pub(super) struct GroupFault {
    pub(super) fault: Fault,
    /// The commit may or may not be on disk.
    pub(super) durability_unknown: bool,
}

/// Runs all units and commits. What they left to be told is the answer.
pub(super) fn commit(
    connection: &Connection,
    shared: &Shared,
    known: &mut Known,
    units: &mut [Queued],
) -> Result<Vec<Event>, GroupFault> {
    let mut tx = WriteTx {
        connection,
        shared,
        known,
        now_us: shared.clock.now_us(),
        tails: TailEdits::default(),
        next_seq: shared.head.load(Ordering::SeqCst) + 1,
        events: Vec::new(),
    };
    let ran = run_all(units, &mut tx, Safety::Hope).and_then(|ran| match ran {
        Ran::All => Ok(()),
        Ran::UntilOneFailed => {
            tx.undo_all();
            run_all(units, &mut tx, Safety::Savepoints).map(drop)
        }
    });
    let ended = ran.map_err(|fault| GroupFault { fault, durability_unknown: false }).and_then(|()| {
        statement(connection, "COMMIT").map_err(|fault| {
            let durability_unknown = !matches!(fault, Fault::StorageFull);
            GroupFault { fault, durability_unknown }
        })
    });
    match ended {
        Ok(()) => {
            shared.tails.apply(std::mem::take(&mut tx.tails));
            shared.head.store(tx.newest_seq(), Ordering::SeqCst);
            Ok(tx.events)
        }
        Err(fault) => {
            tx.undo_all();
            Err(fault)
        }
    }
}

/// How the units of a group are kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Safety {
    /// Not at all: none will fail.
    Hope,
    Savepoints,
}

enum Ran {
    All,
    /// It had written something, which nothing but the end of the transaction undoes.
    UntilOneFailed,
}

/// Begins a transaction and runs all units in it. `Err` only if the whole group is lost.
fn run_all(units: &mut [Queued], tx: &mut WriteTx<'_>, safety: Safety) -> Result<Ran, Fault> {
    statement(tx.connection, "BEGIN IMMEDIATE")?;
    for queued in units {
        let unit = queued.unit.as_mut();
        match safety {
            Safety::Savepoints => run_apart(unit, tx)?,
            Safety::Hope => {
                let (seq_before, events_before) = (tx.next_seq, tx.events.len());
                let changes_before = tx.connection.total_changes();
                let failed = unit.run(tx).is_err();
                let has_changed = tx.connection.total_changes() != changes_before;
                if tx.connection.is_autocommit() || (failed && has_changed) {
                    return Ok(Ran::UntilOneFailed);
                }
                if failed {
                    tx.next_seq = seq_before;
                    tx.events.truncate(events_before);
                }
            }
        }
    }
    Ok(Ran::All)
}

/// Runs one unit in a savepoint. `Err` only if the whole group is lost with it.
fn run_apart(unit: &mut dyn Unit, tx: &mut WriteTx<'_>) -> Result<(), Fault> {
    let connection = tx.connection;
    let (seq_before, events_before, tails_before) = (tx.next_seq, tx.events.len(), tx.tails.clone());
    statement(connection, "SAVEPOINT unit")?;
    let outcome = unit.run(tx);
    if connection.is_autocommit() {
        // A full disk or an I/O error made SQLite roll back everything, not just this unit.
        return outcome.and(Err(Fault::Internal("SQLite ended the transaction".into())));
    }
    if outcome.is_err() {
        statement(connection, "ROLLBACK TO unit")?;
        tx.known.forget_all();
        tx.tails = tails_before;
        tx.next_seq = seq_before;
        tx.events.truncate(events_before);
    }
    statement(connection, "RELEASE unit")
}

fn statement(connection: &Connection, sql: &str) -> Result<(), Fault> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
