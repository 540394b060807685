//! A subscriber that reconnects again and again while others push.

use std::sync::mpsc;
use std::thread;

use super::*;

/// Number of reconnects.
const RECONNECTS: usize = 200;

/// The subscriber disconnects after each event and reconnects with its id. The writer pushes at the moment of the
/// disconnect, so pushes fall before, into and after each gap. The subscriber would time out waiting for a missed
/// push.
#[test]
fn nothing_is_missed_over_many_reconnects() {
    let fixture = Fixture::new();
    let (leaves, has_left) = mpsc::channel();
    let phone = fixture.phone.clone();
    let beginning = fixture.latest();
    let reader = thread::spawn(move || {
        let mut last = beginning;
        for _ in 0..RECONNECTS {
            let id = phone.caller.reopen_stream(&phone.path_from(""), &last).expect_changed();
            assert!(seq(&id) > seq(&last), "{id} came after {last}");
            leaves.send(seq(&id)).expect("the writer waits");
            last = id;
        }
    });
    let mut pushed = seq(&fixture.laptop.push("first"));
    for id in has_left {
        // An event may cover only some of the pushes so far; the rest follows after the reconnect.
        assert!(id <= pushed, "an event for seq {id}, which is not pushed yet");
        if id == pushed {
            pushed = seq(&fixture.laptop.push("another"));
        }
    }
    reader.join().expect("the reader missed nothing");
}
