//! Random histories of three devices, against a log that is a plain list.
//!
//! The model says what each device must be given: what others wrote, once, in order; and of its own only what it had written
//! before it last started over. The devices run the naive loop of the documentation.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use tidelog_test_kit::{Caller, Dialect, Dice, Server, SyncClient};

const DEVICES: usize = 3;

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// A device writes this many rows and pushes them.
    Push(usize, usize),
    /// A device pulls one page of at most this many.
    PullPage(usize, usize),
    /// A device pulls until there is no more.
    CatchUp(usize),
    /// A device loses everything local, registers under its old name, and pulls a page from the start.
    Reinstall(usize, usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    let device = 0..DEVICES;
    prop_oneof![
        4 => (device.clone(), 1..4usize).prop_map(|(device, rows)| Step::Push(device, rows)),
        3 => (device.clone(), 1..4usize).prop_map(|(device, limit)| Step::PullPage(device, limit)),
        2 => device.clone().prop_map(Step::CatchUp),
        1 => (device, 1..4usize).prop_map(|(device, limit)| Step::Reinstall(device, limit)),
    ]
}

/// What the model knows of a device.
#[derive(Clone, Default)]
struct Believed {
    /// It has pulled before: what it does next does not start over.
    underway: bool,
    /// Entries of the log, by place, that it has passed.
    passed: usize,
    /// Its own entries before this place are given to it.
    own_until: usize,
    received: Vec<String>,
}

/// The log as a list of (author, row), and what every device must have got.
#[derive(Default)]
struct Model {
    log: Vec<(usize, String)>,
    devices: [Believed; DEVICES],
}

impl Model {
    /// The places of what this device is still to be given.
    fn owed(&self, device: usize) -> Vec<usize> {
        let believed = &self.devices[device];
        let is_owed = |place: &usize| self.log[*place].0 != device || *place < believed.own_until;
        (believed.passed..self.log.len()).filter(is_owed).collect()
    }

    fn push(&mut self, device: usize, rows: Vec<String>) {
        let was_up_to_date = self.owed(device).is_empty();
        self.log.extend(rows.into_iter().map(|row| (device, row)));
        let believed = &mut self.devices[device];
        believed.underway = true;
        if was_up_to_date {
            believed.passed = self.log.len();
        }
    }

    fn pull(&mut self, device: usize, limit: usize) {
        if !self.devices[device].underway {
            self.devices[device].own_until = self.log.len();
        }
        let owed = self.owed(device);
        let given = &owed[..limit.min(owed.len())];
        let rows: Vec<_> = given.iter().map(|place| self.log[*place].1.clone()).collect();
        let believed = &mut self.devices[device];
        believed.underway = true;
        believed.passed = if owed.len() > limit { given[limit - 1] + 1 } else { self.log.len() };
        believed.received.extend(rows);
    }
}

/// Three installations beside the model of them.
struct History<'a> {
    caller: &'a Caller,
    dialect: Dialect,
    clients: Vec<SyncClient>,
    model: Model,
}

impl<'a> History<'a> {
    fn begin(caller: &'a Caller, dialect: Dialect) -> Self {
        let clients =
            (0..DEVICES).map(|device| SyncClient::install(caller, dialect, &format!("{device}"))).collect();
        Self { caller, dialect, clients, model: Model::default() }
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Push(device, count) => self.push(device, count),
            Step::PullPage(device, limit) => self.pull_page(device, limit)?,
            Step::CatchUp(device) => self.catch_up(device)?,
            Step::Reinstall(device, limit) => {
                self.clients[device] = SyncClient::install(self.caller, self.dialect, &format!("{device}"));
                self.model.devices[device] = Believed::default();
                self.pull_page(device, limit)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, device: usize, count: usize) {
        let first = self.model.log.len();
        let rows: Vec<_> = (first..first + count).map(|number| format!("{device}-{number}")).collect();
        rows.iter().for_each(|row| self.clients[device].write(row));
        self.clients[device].push();
        self.model.push(device, rows);
    }

    fn pull_page(&mut self, device: usize, limit: usize) -> Result<(), TestCaseError> {
        let has_more = self.clients[device].pull_page(Some(limit));
        self.model.pull(device, limit);
        prop_assert_eq!(&self.clients[device].received, &self.model.devices[device].received);
        prop_assert!(
            has_more || self.model.owed(device).is_empty(),
            "has_more is false and device {} misses some",
            device
        );
        Ok(())
    }

    fn catch_up(&mut self, device: usize) -> Result<(), TestCaseError> {
        while self.clients[device].pull_page(None) {}
        self.model.pull(device, usize::MAX);
        prop_assert_eq!(&self.clients[device].received, &self.model.devices[device].received);
        Ok(())
    }
}

fn any_history_agrees_with_the_model(dialect: Dialect) {
    let server = Server::start();
    let user = server.new_user("ada@example.org");
    let mut runner = Dice::property_runner(24);
    let histories = prop::collection::vec(any_step(), 1..30);
    let outcome = runner.run(&histories, |steps| {
        let name = tidelog_test_kit::fresh_id();
        let app =
            if dialect == Dialect::Number { server.new_number_app(&name) } else { server.new_app(&name) };
        let caller = server.sign_in(&user, &app);
        let mut history = History::begin(&caller, dialect);
        for step in &steps {
            history.take(step)?;
        }
        (0..DEVICES).try_for_each(|device| history.catch_up(device))
    });
    outcome.unwrap_or_else(|fault| panic!("{fault}"));
}

#[test]
fn any_history_of_string_cursor_clients_agrees_with_a_plain_list() {
    any_history_agrees_with_the_model(Dialect::Plain);
}

#[test]
fn any_history_of_integer_cursor_clients_agrees_with_a_plain_list() {
    any_history_agrees_with_the_model(Dialect::Number);
}
