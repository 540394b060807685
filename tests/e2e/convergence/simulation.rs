//! One run: random actions of a user's devices, with failures of the devices, the network and the server.

use tidelog::server::commands::{Command, UserCommand};
use tidelog_client::{Rotation, SyncKitClient};

use crate::convergence::checks;
use crate::convergence::chinook;
use crate::convergence::device::{Device, DeviceOptions};
use crate::convergence::edits::{EXTRA_ROWS, Editor};
use crate::convergence::model::Model;
use crate::convergence::schema::{Schema, fill};
use crate::convergence::test_server::TestServer;
use tidelog_test_kit::SeededRng;
use tidelog_test_kit::interrupted;
use tidelog_test_kit::proxy::{ExchangeOutcome, Proxy};
use tidelog_test_kit::sdk::config;

const MIN_STEPS: u64 = 15;
const EXTRA_STEPS: u64 = 30;
/// One run in this many has all of Chinook's rows.
const FULL_DATA_EVERY: u64 = 100;
/// How far a clock may be ahead of the server's before its timestamps are capped.
const TOLERANCE_SECONDS: u64 = 60;
/// The maximum number of polls before a task is dropped.
const MAX_POLLS: u64 = 40;
/// SQLite fails after at most 2 to this power steps.
const MAX_DOUBLINGS: u64 = 15;
/// The maximum number of rounds, in each of which all devices sync once, until none has anything new.
const MAX_ROUNDS: usize = 12;

/// A step of a run.
#[derive(Clone, Copy, Debug)]
enum Action {
    Edit,
    Sync,
    SyncTwo,
    Crash,
    Copy,
    Rotate,
    DeliverAgain,
    CopyServer,
    EditDuringSync,
    AdvanceClock,
}

const THEMES: usize = 5;

/// The weight of each action, by the theme of the run: everything, edits, crashes, restored devices, a restored server.
const ACTIONS: [(Action, [u64; THEMES]); 10] = [
    (Action::Edit, [18, 24, 12, 12, 12]),
    (Action::Sync, [8, 10, 4, 6, 8]),
    (Action::SyncTwo, [2, 4, 2, 2, 2]),
    (Action::Crash, [5, 0, 12, 3, 2]),
    (Action::Copy, [2, 0, 0, 8, 1]),
    (Action::Rotate, [1, 0, 1, 0, 0]),
    (Action::DeliverAgain, [2, 0, 2, 2, 3]),
    (Action::CopyServer, [1, 0, 0, 0, 5]),
    (Action::EditDuringSync, [4, 4, 4, 2, 2]),
    (Action::AdvanceClock, [1, 0, 0, 0, 1]),
];

pub(crate) struct Simulation<'h> {
    server: &'h mut TestServer,
    proxy: Proxy,
    rng: SeededRng,
    options: DeviceOptions,
    devices: Vec<Device>,
    model: Model,
    /// Whether the run is small enough to record every write in the model.
    is_modelled: bool,
    theme: usize,
    last_value: u64,
    server_was_restored: bool,
    /// Whether no clock was ahead by more than is tolerated, so that timestamps are never capped.
    clocks_are_exact: bool,
}

impl<'h> Simulation<'h> {
    pub(crate) async fn begin(server: &'h mut TestServer, seed: u64) -> Self {
        let mut rng = SeededRng::new(seed);
        server.forget_copy();
        let (email, password) = (format!("user-{seed}@example.org"), "a long password");
        server
            .command(Command::User(UserCommand::Create {
                email: email.clone(),
                password: password.into(),
                admin: false,
            }))
            .await;
        let proxy = Proxy::in_front_of(server.url()).await;
        let client = SyncKitClient::new(config(proxy.url(), &server.api_key));
        client.authenticate(&email, password).await.unwrap();
        let schema = Schema::random(&mut rng);
        let options = DeviceOptions {
            url: proxy.url().to_owned(),
            api_key: server.api_key.clone(),
            session: client.session_info().unwrap(),
            schema: schema.clone(),
            recursive_triggers: rng.below(4) == 0,
        };
        let is_modelled = seed % FULL_DATA_EVERY != FULL_DATA_EVERY / 4;
        let first = Device::first(&options, |app| {
            let rows = if is_modelled { &chinook::slice(&mut rng) } else { chinook::whole() };
            fill(app, &schema, rows);
            app.execute_batch(EXTRA_ROWS).unwrap();
        });
        let mut devices = vec![first.await];
        for _ in 1..if is_modelled { *rng.pick(&[2, 2, 5]) } else { 2 } {
            let next = devices[0].another(devices.len()).await;
            devices.push(next);
        }
        if is_modelled {
            let sizes = [(500, 500), (500, 7), (3, 500), (20, 30), (1, 1)];
            let (batch, page) = *rng.pick(&sizes);
            proxy.limit_pages(page);
            proxy.rewrite_json(move |request, response| {
                if request.path == "/limits" {
                    response.body["max_changes_per_push"] = batch.into();
                }
            });
        }
        let theme = rng.below(THEMES as u64) as usize;
        Self {
            server,
            proxy,
            rng,
            options,
            devices,
            model: Model::default(),
            is_modelled,
            theme,
            last_value: 0,
            server_was_restored: false,
            clocks_are_exact: true,
        }
    }

    /// Runs it; returns how many rows were compared with the model.
    pub(crate) async fn run(mut self) -> u64 {
        if self.rng.below(4) > 0 {
            for device in &self.devices {
                device.sync().await;
            }
        }
        for _ in 0..MIN_STEPS + self.rng.below(EXTRA_STEPS) {
            self.step().await;
        }
        self.finish().await
    }

    async fn step(&mut self) {
        let at = self.rng.below(self.devices.len() as u64) as usize;
        match self.random_action() {
            Action::Edit => self.edit(at),
            Action::Sync => {
                self.maybe_lose_a_message();
                self.devices[at].sync().await;
            }
            Action::EditDuringSync => {
                self.maybe_lose_a_message();
                let polls = 1 + self.rng.below(MAX_POLLS);
                let Self { devices, options, rng, last_value, model, is_modelled, .. } = self;
                let edit = || {
                    let model = is_modelled.then_some(&mut *model);
                    Editor { rng, schema: &options.schema, app: devices[at].app(), last_value }
                        .transact(at, model);
                    true
                };
                interrupted(polls, edit, devices[at].sync()).await;
            }
            Action::AdvanceClock => {
                let seconds = self.rng.below(2 * TOLERANCE_SECONDS);
                self.clocks_are_exact &= seconds < TOLERANCE_SECONDS / 2;
                self.devices[at].advance_clock(seconds);
            }
            Action::SyncTwo => {
                let other = (at + 1) % self.devices.len();
                self.maybe_lose_a_message();
                tokio::join!(self.devices[at].sync(), self.devices[other].sync());
            }
            Action::Crash => match self.rng.below(6) {
                0 => self.devices[at].restart().await,
                1 => {
                    let steps = self.random_steps();
                    self.devices[at].restart_and_crash(steps).await;
                }
                2 | 3 => {
                    let polls = 1 + self.rng.below(MAX_POLLS);
                    self.devices[at].sync_and_crash(polls).await;
                }
                _ => {
                    let steps = self.random_steps();
                    self.devices[at].sync_and_crash_in_sqlite(steps).await;
                }
            },
            Action::Copy => self.copy_or_restore(at).await,
            Action::Rotate => {
                // A restored server without the current key is not covered by this test.
                self.server.forget_copy();
                let mode = *self.rng.pick(&[Rotation::Routine, Rotation::Compromise]);
                self.devices[at].rotate(mode).await;
            }
            Action::DeliverAgain => {
                let back = self.rng.below(6) as usize;
                self.proxy.resend_push(back).await;
            }
            Action::CopyServer => {
                if self.server.restore(&self.proxy).await {
                    self.server_was_restored = true;
                } else {
                    self.server.copy(&self.proxy).await;
                }
            }
        }
    }

    fn random_action(&mut self) -> Action {
        let all: u64 = ACTIONS.iter().map(|(_, weights)| weights[self.theme]).sum();
        let mut rolled = self.rng.below(all);
        for (random_action, weights) in ACTIONS {
            match rolled.checked_sub(weights[self.theme]) {
                Some(rest) => rolled = rest,
                None => return random_action,
            }
        }
        Action::Edit
    }

    async fn copy_or_restore(&mut self, at: usize) {
        if !self.devices[at].has_copy() {
            self.devices[at].copy();
            return;
        }
        self.devices[at].restore().await;
        if self.is_modelled {
            self.model.restore(at, self.devices[at].app());
        }
    }

    fn edit(&mut self, at: usize) {
        let Self { devices, options, rng, last_value, model, is_modelled, .. } = self;
        let model = is_modelled.then_some(model);
        Editor { rng, schema: &options.schema, app: devices[at].app(), last_value }.transact(at, model);
    }

    fn maybe_lose_a_message(&mut self) {
        let path = *self.rng.pick(&["/push", "/push", "/pull"]);
        match self.rng.below(8) {
            0 => self.proxy.set_outcome_for(path, ExchangeOutcome::LoseResponse),
            1 => self.proxy.set_outcome_for(path, ExchangeOutcome::LoseRequest),
            _ => {}
        }
    }

    fn random_steps(&mut self) -> u64 {
        let bound = 1 << (1 + self.rng.below(MAX_DOUBLINGS));
        1 + self.rng.below(bound)
    }

    /// Lets all devices sync without further failures, and checks the result.
    async fn finish(mut self) -> u64 {
        self.proxy.clear_outcomes();
        self.settle().await;
        let schema = &self.options.schema;
        let rows = checks::common_rows(&self.devices, schema).await;
        let log = checks::log_of(&self.devices[0], schema, &rows).await;
        let verifier = self.rng.below(self.devices.len() as u64) as usize;
        checks::no_evidence(&self.devices[verifier]).await;
        if self.server_was_restored || !self.is_modelled || !self.clocks_are_exact {
            0
        } else {
            self.model.check(schema, &rows, &log, &checks::removed_by_constraint(&self.devices).await)
        }
    }

    async fn settle(&mut self) {
        for _ in 0..MAX_ROUNDS {
            let mut is_unfinished = false;
            let before = self.newest().await;
            for device in &self.devices {
                is_unfinished |= !device.sync().await;
            }
            if !is_unfinished && before == self.newest().await {
                return;
            }
        }
        let unsent = checks::unsent(&self.devices).await;
        panic!("the devices do not converge: unsent rows {unsent:?}");
    }

    async fn newest(&self) -> String {
        let status = self.devices[0].client.status().await.unwrap();
        format!("{:?} {}", status.latest_cursor, status.total_changes)
    }
}
