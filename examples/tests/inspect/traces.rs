//! The inspector leaves nothing behind, however it ends.

use rustix::process::Signal;

use crate::inspect::fixture::Fixture;
use crate::inspect::gate::Gate;

const BEFORE: [&str; 2] = ["Laptop", "Phone"];
/// The sessions of the two devices.
const SESSIONS: usize = 2;

async fn assert_no_trace(fixture: &Fixture) {
    assert_eq!(fixture.devices().await, BEFORE);
    assert_eq!(fixture.sessions().await, SESSIONS);
}

#[tokio::test]
async fn a_finished_command_leaves_neither_device_nor_session() {
    let (fixture, _) = Fixture::lived_in().await;
    for command in [&[] as &[&str], &["tables"], &["verify"], &["status"], &["devices"]] {
        assert_eq!(fixture.inspector().run(command).code, Some(0), "{command:?}");
        assert_no_trace(&fixture).await;
    }
}

#[tokio::test]
async fn a_failed_command_leaves_neither_device_nor_session() {
    let (fixture, _) = Fixture::lived_in().await;
    assert_eq!(fixture.inspector().run(&["rows", "none"]).code, Some(1));
    assert_no_trace(&fixture).await;
    assert_eq!(
        fixture.inspector().with("TIDELOG_PASSPHRASE", "guessed").run(&["rows", "tasks"]).code,
        Some(1)
    );
    assert_no_trace(&fixture).await;
}

#[tokio::test]
async fn an_interrupted_command_leaves_neither_device_nor_session() {
    let (fixture, _) = Fixture::lived_in().await;
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let gate = Gate::before(fixture.server.url(), "POST /api/sync/pull");
        let running = fixture.inspector_at(&gate.url).start(&["tables"]);
        gate.wait();
        assert_eq!(fixture.devices().await, ["Laptop", "Phone", "inspect"]);
        running.signal(signal);
        let output = running.end();
        assert_eq!((output.code, output.stdout.as_str()), (Some(130), ""), "{}", output.stderr);
        assert_no_trace(&fixture).await;
    }
}

#[tokio::test]
async fn a_device_of_the_user_that_has_the_same_name_is_left_alone() {
    let (fixture, _) = Fixture::lived_in().await;
    fixture.device("inspect").await;
    assert_eq!(fixture.inspector().run(&["tables"]).code, Some(0));
    assert_eq!(fixture.devices().await, ["Laptop", "Phone", "inspect"]);
    assert_eq!(fixture.sessions().await, SESSIONS + 1);
}
