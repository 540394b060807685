//! What the inspector leaves behind: nothing, however it ends.

use rustix::process::Signal;

use crate::inspect::gate::Gate;
use crate::inspect::world::World;

const BEFORE: [&str; 2] = ["Laptop", "Phone"];
/// Those of the two devices.
const SESSIONS: usize = 2;

async fn assert_no_trace(world: &World) {
    assert_eq!(world.devices().await, BEFORE);
    assert_eq!(world.sessions().await, SESSIONS);
}

#[tokio::test]
async fn a_finished_command_leaves_neither_device_nor_session() {
    let (world, _) = World::lived_in().await;
    for command in [&[] as &[&str], &["tables"], &["verify"], &["status"], &["devices"]] {
        assert_eq!(world.inspector().run(command).code, Some(0), "{command:?}");
        assert_no_trace(&world).await;
    }
}

#[tokio::test]
async fn a_failed_command_leaves_neither_device_nor_session() {
    let (world, _) = World::lived_in().await;
    assert_eq!(world.inspector().run(&["rows", "none"]).code, Some(1));
    assert_no_trace(&world).await;
    assert_eq!(world.inspector().with("TIDELOG_PASSPHRASE", "guessed").run(&["rows", "tasks"]).code, Some(1));
    assert_no_trace(&world).await;
}

#[tokio::test]
async fn an_interrupted_command_leaves_neither_device_nor_session() {
    let (world, _) = World::lived_in().await;
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let gate = Gate::before(world.server.url(), "POST /api/sync/pull");
        let running = world.inspector_at(&gate.url).start(&["tables"]);
        gate.wait();
        assert_eq!(world.devices().await, ["Laptop", "Phone", "inspect"]);
        running.signal(signal);
        let ran = running.end();
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(130), ""), "{}", ran.stderr);
        assert_no_trace(&world).await;
    }
}

#[tokio::test]
async fn a_device_of_the_user_that_has_the_same_name_is_left_alone() {
    let (world, _) = World::lived_in().await;
    world.device("inspect").await;
    assert_eq!(world.inspector().run(&["tables"]).code, Some(0));
    assert_eq!(world.devices().await, ["Laptop", "Phone", "inspect"]);
    assert_eq!(world.sessions().await, SESSIONS + 1);
}
