//! Rotation of the master key.

mod entries;
mod histories;
mod lifecycle;
mod model;
mod pushes;
mod undo;

use serde_json::{Value, json};

use tidelog_test_kit::rotation::{
    BATCH, BEGIN, CANCEL, COMPLETE, ENTRIES, KEYS, STATE, envelope, rotated, sealed, sealed_rows,
};
use tidelog_test_kit::{Caller, Server, fresh_id, instant};

/// Returns a caller with a key of version 1 and a device.
fn caller_with_key(server: &Server) -> (Caller, String) {
    let me = server.signed_in_caller();
    me.put(KEYS, &json!({"encrypted_key": envelope("first")})).ok();
    let device = me.device("Laptop");
    (me, device)
}

/// Runs `tidelog check`, and returns the number of bytes in the log.
#[track_caller]
fn assert_consistent(server: &Server, me: &Caller, device: &str) {
    assert_eq!(server.cli().run(&["check"]).json()["faults"], json!([]));
    let held: u64 =
        me.pull_everything(device).iter().filter_map(|entry| entry["data"].as_str()).map(bytes).sum();
    assert_eq!(me.get("/api/sync/status").ok()["change_bytes"], json!(held));
}

fn bytes(data: &str) -> u64 {
    data.len() as u64
}
