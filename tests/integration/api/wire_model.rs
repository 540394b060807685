//! Random histories of three devices, compared with a model whose log is a list.
//!
//! The model predicts what each device must receive: changes of others, once and in order, and of its own only those
//! from before its last reinstallation. The devices run the simple loop of the documentation.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use tidelog_test_kit::{Caller, Dialect, SeededRng, Server, SyncClient};

const DEVICES: usize = 3;

/// One action of a history.
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

/// The expected state of a device.
#[derive(Clone, Default)]
struct DeviceModel {
    /// Has pulled or pushed before, so it does not start from scratch.
    underway: bool,
    /// Index in the log up to which it has pulled.
    passed: usize,
    /// It receives its own entries before this index.
    own_until: usize,
    received: Vec<String>,
}

/// The log as a list of (author, row), and what every device must have received.
#[derive(Default)]
struct Model {
    log: Vec<(usize, String)>,
    devices: [DeviceModel; DEVICES],
}

impl Model {
    /// Returns the indexes of the entries that this device has not received yet.
    fn pending(&self, device: usize) -> Vec<usize> {
        let device_model = &self.devices[device];
        let is_owed = |place: &usize| self.log[*place].0 != device || *place < device_model.own_until;
        (device_model.passed..self.log.len()).filter(is_owed).collect()
    }

    fn push(&mut self, device: usize, rows: Vec<String>) {
        let was_up_to_date = self.pending(device).is_empty();
        self.log.extend(rows.into_iter().map(|row| (device, row)));
        let device_model = &mut self.devices[device];
        device_model.underway = true;
        if was_up_to_date {
            device_model.passed = self.log.len();
        }
    }

    fn pull(&mut self, device: usize, limit: usize) {
        if !self.devices[device].underway {
            self.devices[device].own_until = self.log.len();
        }
        let pending = self.pending(device);
        let page = &pending[..limit.min(pending.len())];
        let rows: Vec<_> = page.iter().map(|place| self.log[*place].1.clone()).collect();
        let device_model = &mut self.devices[device];
        device_model.underway = true;
        device_model.passed = if pending.len() > limit { page[limit - 1] + 1 } else { self.log.len() };
        device_model.received.extend(rows);
    }
}

/// Three clients and their model.
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
                self.model.devices[device] = DeviceModel::default();
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
            has_more || self.model.pending(device).is_empty(),
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
    let mut runner = SeededRng::property_runner(24);
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
