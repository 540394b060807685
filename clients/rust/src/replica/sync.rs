//! One way there and back: pull to the end of the log, merge, push what is left of this side, until nothing is.
//!
//! A batch names the position that it was merged at, and is refused if the log has moved since. So whoever pushes has seen
//! everything before, and the newest entry of a row is the truth about it for everybody. A replica that is at the end of the
//! log pushes at once, and learns by that refusal that it is not.

use tidelog_protocol::Cursor;
use uuid::Uuid;

use crate::formats::Stream;
use crate::push::{BatchBuilder, BatchOptions, PushOutcome, Refusal, SealedBatch};
use crate::replica::Replica;
use crate::replica::engine::progress::Progress;
use crate::replica::engine::status::Status;
use crate::replica::error::{ReplicaError, Result};
use crate::replica::incoming::entries::newest_of_each_row;
use crate::replica::incoming::pages::Page;
use crate::replica::local::database::Database;
use crate::replica::metadata::clock::Ceiling;
use crate::replica::metadata::dirty_rows as marks;
use crate::replica::outbox::{self, Batch};
use crate::session::Owner;
use crate::watch::Subject;
use crate::{PullFilter, SyncKitClient, SyncKitError};

/// Batches that may be refused in a row, for whatever reason but that others were faster, before the replica gives up for now.
const MAX_REFUSALS: u32 = 20;

/// What a replica remembers from one exchange to the next.
pub(super) struct Memory {
    /// Whether it was at the end of the log.
    caught_up: bool,
    /// Whose watch was given to the client.
    watching: Option<(Owner, Uuid)>,
    /// Changes in a batch, at most: fewer where something on the way takes no large requests.
    max_changes: usize,
    refusals: u32,
}

impl Default for Memory {
    fn default() -> Self {
        Self { caught_up: false, watching: None, max_changes: usize::MAX, refusals: 0 }
    }
}

/// What became of a batch.
enum Outcome {
    Taken,
    /// It is not in the log; its rows will be sent in another one.
    Dropped,
    /// It is not in the log, and no other one would be for now.
    Blocked(SyncKitError),
}

/// An exchange under way.
struct Exchange<'a> {
    replica: &'a Replica,
    client: &'a SyncKitClient,
    owner: Owner,
    device_id: Uuid,
    memory: &'a mut Memory,
    progress: Progress,
}

impl Replica {
    /// Exchanges changes with the server until both sides have everything.
    ///
    /// What was applied or acknowledged before an error stays so, and a later call goes on from there.
    ///
    /// # Errors
    /// [`ReplicaError::OtherAccount`], those of [`pull`](SyncKitClient::pull) and [`push`](SyncKitClient::push), and those of the
    /// app's database.
    pub async fn sync(&self, client: &SyncKitClient, device_id: Uuid) -> Result<()> {
        self.exchange(client, device_id, true).await
    }

    /// Exchanges changes; does not ask what others have written unless there is a reason to think that they have.
    pub(super) async fn exchange(
        &self,
        client: &SyncKitClient,
        device_id: Uuid,
        others_wrote: bool,
    ) -> Result<()> {
        let mut memory = self.shared.memory.lock().await;
        let owner = client.owner()?;
        let state = self.with(move |database| database.join(owner, device_id)).await?;
        if memory.watching != Some((owner, device_id)) {
            *memory = Memory { watching: Some((owner, device_id)), ..Memory::default() };
            let watch = state.watch.as_ref().and_then(|json| serde_json::from_str(json).ok());
            if let Some(watch) = watch {
                client.restore_watch(watch);
            }
        }
        memory.caught_up &= !others_wrote;
        let waiting = self.with(|database| marks::count(&database.connection)).await?;
        let progress = Progress::new(self.shared.status.clone(), waiting);
        let mut exchange =
            Exchange { replica: self, client, owner, device_id, memory: &mut memory, progress };
        let outcome = exchange.run().await;
        if outcome.is_err() {
            memory.caught_up = false;
        }
        outcome
    }
}

impl Exchange<'_> {
    async fn run(&mut self) -> Result<()> {
        let mut blocked = None;
        loop {
            let waiting = self.replica.with(|database| outbox::load(&database.connection)).await?;
            if let Some(batch) = waiting {
                match self.send(batch).await? {
                    Outcome::Taken => self.memory.refusals = 0,
                    Outcome::Dropped => {}
                    Outcome::Blocked(error) => {
                        self.memory.caught_up = false;
                        blocked = Some(error);
                    }
                }
            }
            if !self.memory.caught_up {
                self.pull().await?;
            }
            if let Some(error) = blocked {
                return Err(error.into());
            }
            if !self.collect().await? {
                return Ok(());
            }
        }
    }

    /// Pulls and applies to the end of the log.
    async fn pull(&mut self) -> Result<()> {
        let mut rebuilt = false;
        let mut state = self.replica.with(|database| database.state()).await?;
        loop {
            let filter = PullFilter { include_own: Some(true), ..PullFilter::default() };
            let page = match self.client.pull_page(self.device_id, state.cursor, filter).await {
                Ok(page) => page,
                Err(SyncKitError::LogRewound { resume_from }) if state.cursor != Cursor::Start => {
                    state = self.rewind(resume_from).await?;
                    continue;
                }
                Err(SyncKitError::LogCompacted) if !rebuilt => {
                    rebuilt = true;
                    state = self
                        .replica
                        .with(|database| {
                            database.rebuild()?;
                            database.state()
                        })
                        .await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let (before, cursor, caught_up) = (state.cursor, page.cursor, !page.has_more);
            self.progress.pulled(self.client, before, cursor, page.has_more).await;
            let subject = self.subject()?;
            let stream = state.stream.as_ref().map(Stream::id);
            let own_entries = stream.and_then(|stream| self.client.watch.next_in(subject, stream));
            let (entries, mut skipped) = newest_of_each_row(page.changes);
            skipped.extend(page.quarantined.into_iter().map(Into::into));
            let page = Page {
                entries,
                skipped,
                from: before,
                cursor,
                caught_up,
                watch: self.watch(),
                own_entries: own_entries.unwrap_or_default(),
            };
            let ceiling = self.ceiling();
            state = self
                .replica
                .with(move |database| {
                    database.apply(page, ceiling)?;
                    database.state()
                })
                .await?;
            if caught_up && state.cursor == cursor {
                self.memory.caught_up = true;
                return Ok(());
            }
        }
    }

    /// Seals the next batch, if there is anything to send.
    async fn collect(&mut self) -> Result<bool> {
        let key = self.client.checked_key(self.owner).await?;
        let limits = self.client.limits().await?;
        let head = self.client.watch.head(Subject::new(self.device_id, &key.vault), &key.vault);
        let (device_id, padding, max_changes) =
            (self.device_id, self.client.padding, self.memory.max_changes);
        let ceiling = self.ceiling();
        let batch = self
            .replica
            .with(move |database| {
                let expected_cursor = database.state()?.cursor;
                let options = BatchOptions {
                    vault: &key.vault,
                    padding,
                    head,
                    limits: &limits,
                    max_changes,
                    device_id,
                    expected_cursor: Some(expected_cursor),
                };
                database.collect(ceiling, |stream| BatchBuilder::new(options, stream))
            })
            .await?;
        Ok(batch.is_some())
    }

    async fn send(&mut self, batch: Batch) -> Result<Outcome> {
        let key = self.client.checked_key(self.owner).await?;
        let subject = Subject::new(self.device_id, &key.vault);
        let sealed = SealedBatch::from_body(&key, batch.body.clone())?;
        let outbox = self.client.outbox.lock().await;
        let outcome = self.client.send_batch(&outbox, subject, sealed, true).await;
        drop(outbox);
        let changes = batch.entries.len();
        let (refusal, error) = match outcome {
            PushOutcome::Stored { cursor, last_seq } => {
                let watch = self.watch();
                self.replica.with(move |database| database.settle(&batch, cursor, last_seq, watch)).await?;
                self.progress.pushed(changes);
                return Ok(Outcome::Taken);
            }
            PushOutcome::Refused(refusal, error) => (refusal, error),
            PushOutcome::Unknown(error) => return Err(error.into()),
        };
        if refusal != Refusal::LogMoved {
            self.memory.refusals += 1;
        }
        let at_fault = at_fault(refusal, &error, changes);
        self.replica.with(move |database| database.drop_batch(&batch, &at_fault)).await?;
        if self.memory.refusals > MAX_REFUSALS {
            self.memory.refusals = 0;
            return Err(error.into());
        }
        match refusal {
            Refusal::LogMoved => self.memory.caught_up = false,
            Refusal::LogRewound { resume_from } => {
                self.rewind(resume_from).await?;
                self.memory.caught_up = false;
            }
            Refusal::KeyReplaced { .. } => {
                self.client.encryption.doubt();
                self.client.followed_key(self.owner, |_| false).await?;
            }
            Refusal::TooLarge => self.memory.max_changes = (changes / 2).max(1),
            Refusal::InvalidBatch => {}
            Refusal::NotNow => return Ok(Outcome::Blocked(error)),
            Refusal::Rejected => return Err(error.into()),
        }
        Ok(Outcome::Dropped)
    }

    async fn rewind(&mut self, resume_from: Cursor) -> Result<crate::replica::metadata::state::State> {
        self.replica.with(move |database| database.rewind(resume_from)).await
    }

    fn subject(&self) -> Result<Subject> {
        let key = self.client.encryption.key_of(self.owner)?;
        Ok(Subject::new(self.device_id, &key.vault))
    }

    fn watch(&self) -> Option<String> {
        self.client.watch_state().and_then(|watch| serde_json::to_string(&watch).ok())
    }

    fn ceiling(&self) -> Ceiling {
        Ceiling::new(self.client.transport.server_ahead())
    }
}

/// The changes that the server would refuse again, with its reasons.
fn at_fault(refusal: Refusal, error: &SyncKitError, changes: usize) -> Vec<(usize, String)> {
    match error {
        SyncKitError::InvalidChanges { faults } => {
            faults.iter().map(|fault| (fault.index, format!("{}: {}", fault.field, fault.reason))).collect()
        }
        _ if refusal == Refusal::TooLarge && changes == 1 => {
            vec![(0, String::from("the server takes no request that large"))]
        }
        _ => Vec::new(),
    }
}

impl Replica {
    /// Works on the database, on a thread that may block.
    pub(super) async fn with<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Database) -> Result<T> + Send + 'static,
    {
        let shared = self.shared.clone();
        let outcome = crate::blocking::blocking(move || {
            let mut database = shared.database.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let outcome = match database.as_mut() {
                Some(database) => work(database),
                None => Err(ReplicaError::Detached),
            };
            Ok(outcome)
        });
        outcome.await?
    }

    pub(super) fn show(&self, status: Status) {
        self.shared.status.send_if_modified(|shown| {
            let differs = *shown != status;
            *shown = status;
            differs
        });
    }
}
