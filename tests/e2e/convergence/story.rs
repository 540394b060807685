//! One user's story: who edits what, and what befalls the devices, the network and the server.

use tidelog::server::commands::{Command, UserCommand};
use tidelog_client::{Rotation, SyncKitClient};

use crate::convergence::chinook;
use crate::convergence::device::{Device, Setting};
use crate::convergence::edits::{BESIDE, Hand};
use crate::convergence::host::Host;
use crate::convergence::model::Model;
use crate::convergence::schema::{Schema, fill};
use crate::convergence::verdict;
use tidelog_test_kit::Dice;
use tidelog_test_kit::interrupted;
use tidelog_test_kit::proxies::rewriting::{Loss, Proxy};
use tidelog_test_kit::sdk::config;

const FEWEST_STEPS: u64 = 15;
const MORE_STEPS: u64 = 30;
/// One story of so many has all of Chinook's rows.
const WHOLE_EVERY: u64 = 100;
/// How far a clock may be ahead of the server's before that is no longer taken for what it says.
const TOLERANCE_SECONDS: u64 = 60;
/// How often a task is woken before it is dropped, at most.
const MOST_POLLS: u64 = 40;
/// Doublings of the steps that SQLite takes before it fails.
const MOST_DOUBLINGS: u64 = 15;
/// Rounds in which everybody syncs once, until nobody has anything new.
const PATIENCE: usize = 12;

/// What may happen next.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Edit,
    Sync,
    SyncTwo,
    Crash,
    Copy,
    Rotate,
    DeliverAgain,
    CopyServer,
    EditMeanwhile,
    Hurry,
}

const THEMES: usize = 5;

/// How likely each is, by what the story is about: a bit of all, people, crashes, copies of devices, copies of the server.
const DEEDS: [(Deed, [u64; THEMES]); 10] = [
    (Deed::Edit, [18, 24, 12, 12, 12]),
    (Deed::Sync, [8, 10, 4, 6, 8]),
    (Deed::SyncTwo, [2, 4, 2, 2, 2]),
    (Deed::Crash, [5, 0, 12, 3, 2]),
    (Deed::Copy, [2, 0, 0, 8, 1]),
    (Deed::Rotate, [1, 0, 1, 0, 0]),
    (Deed::DeliverAgain, [2, 0, 2, 2, 3]),
    (Deed::CopyServer, [1, 0, 0, 0, 5]),
    (Deed::EditMeanwhile, [4, 4, 4, 2, 2]),
    (Deed::Hurry, [1, 0, 0, 0, 1]),
];

pub(crate) struct Story<'h> {
    host: &'h mut Host,
    proxy: Proxy,
    dice: Dice,
    setting: Setting,
    devices: Vec<Device>,
    model: Model,
    /// Whether it is small enough to note every write.
    is_noted: bool,
    theme: usize,
    typed: u64,
    server_lost_something: bool,
    /// Whether no clock was further ahead than is tolerated, so that writes count for when they were made.
    is_timed: bool,
}

impl<'h> Story<'h> {
    pub(crate) async fn begin(host: &'h mut Host, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        host.forget_copy();
        let (email, password) = (format!("user-{seed}@example.org"), "a password of theirs");
        host.command(Command::User(UserCommand::Create {
            email: email.clone(),
            password: password.into(),
            admin: false,
        }))
        .await;
        let proxy = Proxy::before(host.url()).await;
        let client = SyncKitClient::new(config(proxy.url(), &host.api_key));
        client.authenticate(&email, password).await.unwrap();
        let schema = Schema::throw(&mut dice);
        let setting = Setting {
            url: proxy.url().to_owned(),
            api_key: host.api_key.clone(),
            session: client.session_info().unwrap(),
            schema: schema.clone(),
            recursive_triggers: dice.below(4) == 0,
        };
        let is_noted = seed % WHOLE_EVERY != WHOLE_EVERY / 4;
        let first = Device::first(&setting, |app| {
            let rows = if is_noted { &chinook::slice(&mut dice) } else { chinook::whole() };
            fill(app, &schema, rows);
            app.execute_batch(BESIDE).unwrap();
        });
        let mut devices = vec![first.await];
        for _ in 1..if is_noted { *dice.pick(&[2, 2, 5]) } else { 2 } {
            let next = devices[0].another(devices.len()).await;
            devices.push(next);
        }
        if is_noted {
            let sizes = [(500, 500), (500, 7), (3, 500), (20, 30), (1, 1)];
            let (batch, page) = *dice.pick(&sizes);
            proxy.shorten_pages(page);
            proxy.lie(move |asked, answer| {
                if asked.path == "/limits" {
                    answer.body["max_changes_per_push"] = batch.into();
                }
            });
        }
        let theme = dice.below(THEMES as u64) as usize;
        Self {
            host,
            proxy,
            dice,
            setting,
            devices,
            model: Model::default(),
            is_noted,
            theme,
            typed: 0,
            server_lost_something: false,
            is_timed: true,
        }
    }

    /// Lives through it; gives how many rows were compared with the model.
    pub(crate) async fn run(mut self) -> u64 {
        if self.dice.below(4) > 0 {
            for device in &self.devices {
                device.sync().await;
            }
        }
        for _ in 0..FEWEST_STEPS + self.dice.below(MORE_STEPS) {
            self.step().await;
        }
        self.conclude().await
    }

    async fn step(&mut self) {
        let at = self.dice.below(self.devices.len() as u64) as usize;
        match self.deed() {
            Deed::Edit => self.edit(at),
            Deed::Sync => {
                self.something_may_get_lost();
                self.devices[at].sync().await;
            }
            Deed::EditMeanwhile => {
                self.something_may_get_lost();
                let polls = 1 + self.dice.below(MOST_POLLS);
                let Self { devices, setting, dice, typed, model, is_noted, .. } = self;
                let edit = || {
                    let model = is_noted.then_some(&mut *model);
                    Hand { dice, schema: &setting.schema, app: devices[at].app(), typed }.transact(at, model);
                    true
                };
                interrupted(polls, edit, devices[at].sync()).await;
            }
            Deed::Hurry => {
                let seconds = self.dice.below(2 * TOLERANCE_SECONDS);
                self.is_timed &= seconds < TOLERANCE_SECONDS / 2;
                self.devices[at].hurry(seconds);
            }
            Deed::SyncTwo => {
                let other = (at + 1) % self.devices.len();
                self.something_may_get_lost();
                tokio::join!(self.devices[at].sync(), self.devices[other].sync());
            }
            Deed::Crash => match self.dice.below(6) {
                0 => self.devices[at].restart().await,
                1 => {
                    let steps = self.some_steps();
                    self.devices[at].restart_and_crash(steps).await;
                }
                2 | 3 => {
                    let polls = 1 + self.dice.below(MOST_POLLS);
                    self.devices[at].sync_and_crash(polls).await;
                }
                _ => {
                    let steps = self.some_steps();
                    self.devices[at].sync_and_crash_inside(steps).await;
                }
            },
            Deed::Copy => self.copy_or_put_back(at).await,
            Deed::Rotate => {
                // A key that a put-back server does not have would be another story.
                self.host.forget_copy();
                let mode = *self.dice.pick(&[Rotation::Routine, Rotation::Compromise]);
                self.devices[at].rotate(mode).await;
            }
            Deed::DeliverAgain => {
                let back = self.dice.below(6) as usize;
                self.proxy.deliver_again(back).await;
            }
            Deed::CopyServer => {
                if self.host.put_back(&self.proxy).await {
                    self.server_lost_something = true;
                } else {
                    self.host.copy(&self.proxy).await;
                }
            }
        }
    }

    fn deed(&mut self) -> Deed {
        let all: u64 = DEEDS.iter().map(|(_, weights)| weights[self.theme]).sum();
        let mut rolled = self.dice.below(all);
        for (deed, weights) in DEEDS {
            match rolled.checked_sub(weights[self.theme]) {
                Some(rest) => rolled = rest,
                None => return deed,
            }
        }
        Deed::Edit
    }

    async fn copy_or_put_back(&mut self, at: usize) {
        if !self.devices[at].has_copy() {
            self.devices[at].copy();
            return;
        }
        self.devices[at].put_back().await;
        if self.is_noted {
            self.model.put_back(at, self.devices[at].app());
        }
    }

    fn edit(&mut self, at: usize) {
        let Self { devices, setting, dice, typed, model, is_noted, .. } = self;
        let model = is_noted.then_some(model);
        Hand { dice, schema: &setting.schema, app: devices[at].app(), typed }.transact(at, model);
    }

    fn something_may_get_lost(&mut self) {
        let path = *self.dice.pick(&["/push", "/push", "/pull"]);
        match self.dice.below(8) {
            0 => self.proxy.lose_next(path, Loss::Answer),
            1 => self.proxy.lose_next(path, Loss::Request),
            _ => {}
        }
    }

    fn some_steps(&mut self) -> u64 {
        let bound = 1 << (1 + self.dice.below(MOST_DOUBLINGS));
        1 + self.dice.below(bound)
    }

    /// Everybody is online, and nothing goes wrong any more.
    async fn conclude(mut self) -> u64 {
        self.proxy.be_kind();
        self.settle().await;
        let schema = &self.setting.schema;
        let rows = verdict::common_rows(&self.devices, schema).await;
        let log = verdict::log_of(&self.devices[0], schema, &rows).await;
        let judge = self.dice.below(self.devices.len() as u64) as usize;
        verdict::no_alarm(&self.devices[judge]).await;
        if self.server_lost_something || !self.is_noted || !self.is_timed {
            0
        } else {
            self.model.check(schema, &rows, &log, &verdict::gave_way(&self.devices).await)
        }
    }

    async fn settle(&mut self) {
        for _ in 0..PATIENCE {
            let mut unfinished = false;
            let before = self.newest().await;
            for device in &self.devices {
                unfinished |= !device.sync().await;
            }
            if !unfinished && before == self.newest().await {
                return;
            }
        }
        let unsent = verdict::unsent(&self.devices).await;
        panic!("it does not settle: {unsent:?}");
    }

    async fn newest(&self) -> String {
        let status = self.devices[0].client.status().await.unwrap();
        format!("{:?} {}", status.latest_cursor, status.total_changes)
    }
}
