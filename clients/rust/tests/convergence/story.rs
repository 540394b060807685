//! One user's story: who edits what, and what befalls the devices, the network and the server.

use tidelog::server::commands::Command;
use tidelog_client::{Rotation, SyncKitClient};

use crate::chinook;
use crate::device::{Device, Setting};
use crate::dice::Dice;
use crate::edits::{BESIDE, Hand};
use crate::host::Host;
use crate::model::{Before, Model};
use crate::proxy::{Loss, Proxy};
use crate::schema::{Schema, fill};
use crate::support::config;
use crate::verdict;

const FEWEST_STEPS: u64 = 15;
const MORE_STEPS: u64 = 30;
/// One story of so many has all of Chinook's rows.
const WHOLE_EVERY: u64 = 50;
/// How often a task is woken before it is dropped, at most.
const MOST_POLLS: u64 = 40;
/// Doublings of the steps that SQLite takes before it fails.
const MOST_DOUBLINGS: u64 = 15;
/// Rounds in which everybody syncs once, until nobody has anything new.
const PATIENCE: usize = 12;

pub(crate) struct Story<'h> {
    host: &'h mut Host,
    proxy: Proxy,
    dice: Dice,
    setting: Setting,
    devices: Vec<Device>,
    model: Model,
    /// Whether it is small enough to note every write.
    is_noted: bool,
    typed: u64,
    server_lost_something: bool,
}

impl<'h> Story<'h> {
    pub(crate) async fn begin(host: &'h mut Host, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        host.forget_copy();
        let (email, password) = (format!("user-{seed}@example.org"), "a password of theirs");
        host.command(Command::UserCreate { email: email.clone(), password: password.into(), admin: false })
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
        let is_noted = seed % WHOLE_EVERY != WHOLE_EVERY / 2;
        let mut devices = Vec::new();
        for number in 0..*dice.pick(&[2, 2, 5]) {
            let name = format!("device-{number}");
            let device = Device::install(&name, &setting, |app| {
                if number == 0 {
                    let rows = if is_noted { &chinook::slice(&mut dice) } else { chinook::whole() };
                    fill(app, &schema, rows);
                    app.execute_batch(BESIDE).unwrap();
                }
            });
            devices.push(device.await);
        }
        let model = Model::default();
        Self { host, proxy, dice, setting, devices, model, is_noted, typed: 0, server_lost_something: false }
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
        match self.dice.below(40) {
            0..=17 => self.edit(at),
            18..=25 => {
                self.something_may_get_lost();
                self.devices[at].sync().await;
            }
            26 | 27 => {
                let other = (at + 1) % self.devices.len();
                self.something_may_get_lost();
                tokio::join!(self.devices[at].sync(), self.devices[other].sync());
            }
            28 | 29 => {
                let polls = 1 + self.dice.below(MOST_POLLS);
                self.devices[at].sync_and_crash(polls).await;
            }
            30..=32 => {
                let steps = self.some_steps();
                self.devices[at].sync_and_crash_inside(steps).await;
            }
            33 => {
                let steps = self.some_steps();
                self.devices[at].restart_and_crash(steps).await;
            }
            34 => self.devices[at].copy(),
            35 => {
                if self.devices[at].put_back().await && self.is_noted {
                    self.model.put_back(at, self.devices[at].app());
                }
            }
            36 => {
                self.host.forget_copy();
                let mode = *self.dice.pick(&[Rotation::Routine, Rotation::Compromise]);
                self.devices[at].rotate(mode).await;
            }
            37 | 38 => {
                let back = self.dice.below(6) as usize;
                self.proxy.deliver_again(back).await;
            }
            _ => {
                if self.host.put_back(&self.proxy).await {
                    self.server_lost_something = true;
                } else {
                    self.host.copy(&self.proxy).await;
                }
            }
        }
    }

    fn edit(&mut self, at: usize) {
        let (app, schema) = (self.devices[at].app(), &*self.setting.schema);
        let before = self.is_noted.then(|| Before::look(app, schema));
        Hand { dice: &mut self.dice, schema, app, typed: &mut self.typed }.transact();
        if let Some(before) = before {
            self.model.note(at, app, schema, &before);
        }
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
        if self.server_lost_something || !self.is_noted { 0 } else { self.model.check(schema, &rows, &log) }
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
