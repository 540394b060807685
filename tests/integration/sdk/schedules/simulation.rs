//! A user, a few devices, a server, and what interrupts them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use tidelog_client::{MemoryStore, PullFilter, Result, Rotation, SessionInfo, SyncKitError};

use crate::schedules::device::{Device, PASSPHRASE, client, new_rows, read_anew};
use tidelog_test_kit::interrupted;
use tidelog_test_kit::proxy::Proxy;
use tidelog_test_kit::{App, SeededRng, Server};

const DEVICES: u64 = 3;
const MOST_STEPS: u64 = 12;
/// Rows of one push, at most.
const MOST_ROWS: u64 = 12;
/// How often a task is woken before something happens to it, at most: about as often as a rotation of a small log is.
const MOST_POLLS: u64 = 160;
/// Tries at the end, when nothing goes wrong any more.
const MAX_TRIES: usize = 5;

pub(crate) struct Simulation<'s> {
    server: &'s mut Server,
    proxy: Proxy,
    api_key: String,
    session: SessionInfo,
    number: u64,
    next_row: u64,
    /// Rows whose push was answered: in the log once.
    acknowledged: BTreeSet<String>,
    /// Rows whose push was not, by a program that is gone: in the log once or not at all.
    in_doubt: BTreeSet<String>,
}

/// What a device does in a step.
#[derive(Clone, Copy, Debug)]
enum Action {
    Push(u64),
    Pull { pages: usize, limit: Option<usize>, include_own: Option<bool> },
    PullFromStart,
    Peek,
    Rotate(Rotation),
    Verify,
}

/// What interrupts it.
#[derive(Clone, Copy, Debug)]
enum Interruption {
    Nothing,
    /// The program crashes after so many polls.
    Crash(u64),
    /// The server is killed after so many polls, and comes back at another address.
    Kill(u64),
}

impl<'s> Simulation<'s> {
    pub(crate) fn new(server: &'s mut Server, proxy: Proxy, app: &App, seed: u64) -> Self {
        let user = server.new_user(&format!("user-{seed}@example.org"));
        let mut tokens = server.tokens(&user, app);
        tokens["expires_at"] = Value::Null;
        let session = serde_json::from_value(tokens).expect("a session");
        Self {
            server,
            proxy,
            api_key: app.api_key.clone(),
            session,
            number: seed,
            next_row: 0,
            acknowledged: BTreeSet::new(),
            in_doubt: BTreeSet::new(),
        }
    }

    pub(crate) async fn run(&mut self, rng: &mut SeededRng) {
        let mut devices = Vec::new();
        for number in 0..DEVICES {
            let name = format!("device-{number}");
            devices.push(Device::install(&name, self.proxy.url(), &self.api_key, self.session.clone()).await);
        }
        for _ in 0..2 + rng.below(MOST_STEPS) {
            self.step(rng, &mut devices).await;
        }
        self.conclude(&mut devices).await;
    }

    async fn step(&mut self, rng: &mut SeededRng, devices: &mut [Device]) {
        match rng.below(8) {
            0 => {
                let device = rng.below(DEVICES) as usize;
                self.give_up(&mut devices[device]);
                devices[device].restart().await;
            }
            1 => {
                let device = rng.below(DEVICES) as usize;
                self.give_up(&mut devices[device]);
                devices[device].reinstall().await.expect("the passphrase opens the key");
            }
            2..=4 => {
                let (action, interruption) = (action(rng), interruption(rng));
                let device = rng.below(DEVICES) as usize;
                self.one(&mut devices[device], action, interruption).await;
            }
            _ => self.two_at_once(rng, devices).await,
        }
    }

    async fn one(&mut self, device: &mut Device, action: Action, interruption: Interruption) {
        let rows = self.rows_for(device, action);
        let (server, point) = (&mut *self.server, self.proxy.redirector());
        let (polls, mut happens): (u64, Box<dyn FnMut() -> bool>) = match interruption {
            Interruption::Nothing => (0, Box::new(|| true)),
            Interruption::Crash(polls) => (polls, Box::new(|| false)),
            Interruption::Kill(polls) => (polls, Box::new(|| restart(server, &point))),
        };
        let outcome = interrupted(polls, &mut happens, carry_out(device, action, rows.clone())).await;
        drop(happens);
        self.account(device, action, &rows, outcome).await;
    }

    async fn two_at_once(&mut self, rng: &mut SeededRng, devices: &mut [Device]) {
        let first = rng.below(DEVICES - 1) as usize;
        let (left, right) = devices.split_at_mut(first + 1);
        let (one, two) = (&mut left[first], &mut right[0]);
        let (one_action, two_action) = (action(rng), action(rng));
        let (one_rows, two_rows) = (self.rows_for(one, one_action), self.rows_for(two, two_action));
        let (one_interruption, two_crash) = (interruption(rng), crash(rng));
        let (server, point) = (&mut *self.server, self.proxy.redirector());
        let (polls, mut happens): (u64, Box<dyn FnMut() -> bool>) = match one_interruption {
            Interruption::Nothing => (0, Box::new(|| true)),
            Interruption::Crash(polls) => (polls, Box::new(|| false)),
            Interruption::Kill(polls) => (polls, Box::new(|| restart(server, &point))),
        };
        let (one_outcome, two_outcome) = tokio::join!(
            interrupted(polls, &mut happens, carry_out(one, one_action, one_rows.clone())),
            interrupted(two_crash, || false, carry_out(two, two_action, two_rows.clone())),
        );
        drop(happens);
        self.account(one, one_action, &one_rows, one_outcome).await;
        self.account(two, two_action, &two_rows, two_outcome).await;
    }

    /// The rows that a push is to bring: what is still unanswered goes first.
    fn rows_for(&mut self, device: &Device, action: Action) -> Vec<tidelog_client::ChangeEntry> {
        match (action, &device.unanswered) {
            (Action::Push(_), Some(unanswered)) => unanswered.changes.clone(),
            (Action::Push(count), None) => {
                self.next_row += count;
                new_rows(&format!("{}/{}", self.number, device.name), self.next_row - count, count)
            }
            _ => Vec::new(),
        }
    }

    /// What a action came to. A program that crashed has forgotten what it was about to push.
    async fn account(
        &mut self,
        device: &mut Device,
        action: Action,
        rows: &[tidelog_client::ChangeEntry],
        outcome: Option<Result<()>>,
    ) {
        match outcome {
            Some(Ok(())) => self.acknowledged.extend(rows.iter().map(|row| row.row_id.clone())),
            Some(Err(error)) => assert!(is_bad_luck(&error), "{action:?} of {}: {error:?}", device.name),
            None => {
                self.give_up(device);
                device.restart().await;
            }
        }
    }

    fn give_up(&mut self, device: &mut Device) {
        if let Some(unanswered) = device.unanswered.take() {
            self.in_doubt.extend(unanswered.changes.into_iter().map(|row| row.row_id));
        }
    }

    /// Nothing goes wrong any more: everything is pushed, a rotation that broke off is finished, all pull, and all
    /// agree.
    async fn conclude(&mut self, devices: &mut [Device]) {
        for device in devices.iter_mut() {
            if let Some(unanswered) = device.unanswered.clone() {
                device.push(unanswered.changes.clone()).await.expect("a push gets through in the end");
                self.acknowledged.extend(unanswered.changes.into_iter().map(|row| row.row_id));
            }
        }
        let mut tries = 0;
        while let Err(error) = devices[0].rotate(Rotation::Routine).await {
            tries += 1;
            assert!(tries < MAX_TRIES, "a rotation gets through in the end: {error:?}");
        }
        let (log, version) = self.look().await;
        for row in &self.acknowledged {
            assert_eq!(log.get(row), Some(&1), "{row} was acknowledged, and is there once");
        }
        for (row, count) in &log {
            assert_eq!(*count, 1, "{row} is there once");
            assert!(self.acknowledged.contains(row) || self.in_doubt.contains(row), "{row} was pushed");
        }
        for device in devices.iter_mut() {
            device.pull(usize::MAX, PullFilter::default()).await.expect("a device catches up");
            let late = new_rows(&format!("{}/{}/late", self.number, device.name), 0, 1);
            device.push(late).await.expect("a device goes on");
            device.cursor = tidelog_client::Cursor::Start;
            device.pull(usize::MAX, PullFilter::default()).await.expect("a device reads from the start");
            let have: BTreeSet<_> = device.rows.keys().filter(|row| !row.contains("late")).collect();
            let want: BTreeSet<_> = log.keys().collect();
            assert_eq!(have, want, "{} has every row", device.name);
            assert_eq!(device.client.evidence(), []);
        }
        assert!(version == 0 || version == self.look().await.1, "nothing but a rotation brings a new key");
    }

    /// What a new device finds, all of it under one key, with nothing to be said against the server.
    async fn look(&mut self) -> (BTreeMap<String, u64>, u32) {
        let store = Arc::new(MemoryStore::new());
        let reader = client(self.proxy.url(), &self.api_key, &store, &self.session);
        reader.setup_encryption_existing(PASSPHRASE).await.expect("the passphrase opens the key");
        let id = reader.register_device("reader", "linux").await.expect("a device is registered").id;
        let (log, mut versions) = read_anew(&reader, id).await;
        versions.sort_unstable();
        versions.dedup();
        assert!(versions.len() <= 1, "two live keys: {versions:?}");
        let report = reader.verify(id).await.expect("the log can be verified");
        assert!(report.is_clean(), "{report:?}");
        (log, versions.first().copied().unwrap_or_default())
    }
}

/// Kills the server and starts it again.
fn restart(server: &mut Server, point: impl Fn(&str)) -> bool {
    server.kill();
    server.start_again();
    point(&server.url());
    true
}

async fn carry_out(
    device: &mut Device,
    action: Action,
    rows: Vec<tidelog_client::ChangeEntry>,
) -> Result<()> {
    match action {
        Action::Push(_) => device.push(rows).await,
        Action::Pull { pages, limit, include_own } => {
            device.pull(pages, PullFilter { limit, include_own, ..PullFilter::default() }).await
        }
        Action::PullFromStart => {
            device.cursor = tidelog_client::Cursor::Start;
            device.pull(usize::MAX, PullFilter::default()).await
        }
        Action::Peek => device.peek().await,
        Action::Rotate(mode) => device.rotate(mode).await,
        Action::Verify => match device.client.verify(device.id).await {
            Ok(report) => {
                assert!(report.is_clean(), "{report:?}");
                Ok(())
            }
            Err(SyncKitError::Blocked(_)) => Ok(()),
            Err(error) => Err(error),
        },
    }
}

fn action(rng: &mut SeededRng) -> Action {
    match rng.below(12) {
        0..=3 => Action::Push(1 + rng.below(MOST_ROWS)),
        4 | 5 => Action::Pull {
            pages: *rng.pick(&[1, 2, usize::MAX]),
            limit: *rng.pick(&[None, Some(1), Some(3), Some(7)]),
            include_own: *rng.pick(&[None, None, Some(true)]),
        },
        6 => Action::PullFromStart,
        7 => *rng.pick(&[Action::Peek, Action::Verify]),
        8 | 9 => Action::Rotate(Rotation::Routine),
        _ => Action::Rotate(Rotation::Compromise),
    }
}

fn interruption(rng: &mut SeededRng) -> Interruption {
    match rng.below(6) {
        0..=2 => Interruption::Nothing,
        3 | 4 => Interruption::Crash(1 + rng.below(MOST_POLLS)),
        _ => Interruption::Kill(1 + rng.below(MOST_POLLS)),
    }
}

fn crash(rng: &mut SeededRng) -> u64 {
    let polls = 1 + rng.below(MOST_POLLS);
    *rng.pick(&[0, 0, polls])
}

/// What an honest server, a network and other devices may do to a program.
fn is_bad_luck(error: &SyncKitError) -> bool {
    matches!(
        error,
        SyncKitError::Network(_)
            | SyncKitError::Blocked(_)
            | SyncKitError::KeyVersionConflict { .. }
            | SyncKitError::RotationInProgress
            | SyncKitError::Server { status: 503, .. }
    )
}
