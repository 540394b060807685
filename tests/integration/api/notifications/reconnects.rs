//! A reader that is cut off again and again while others write.

use std::sync::mpsc;
use std::thread;

use super::*;

/// How often it is cut off.
const RECONNECTS: usize = 200;

/// The reader leaves after each event and comes back with its id. The writer pushes at the moment when it leaves, so pushes fall
/// before, into and after each gap. One that is missed is one that the reader waits for in vain.
#[test]
fn nothing_is_missed_over_many_reconnects() {
    let fixture = Fixture::set();
    let (leaves, has_left) = mpsc::channel();
    let phone = fixture.phone.clone();
    let beginning = fixture.latest();
    let reader = thread::spawn(move || {
        let mut last = beginning;
        for _ in 0..RECONNECTS {
            let heard = phone.caller.reopen_stream(&phone.path_from(""), &last).expect_changed();
            assert!(seq(&heard) > seq(&last), "{heard} was told after {last}");
            leaves.send(seq(&heard)).expect("the writer waits");
            last = heard;
        }
    });
    let mut pushed = seq(&fixture.laptop.push("first"));
    for heard in has_left {
        // A reader may hear only a part of what was pushed so far; then it hears the rest when it comes back.
        assert!(heard <= pushed, "it heard of {heard}, which is yet to come");
        if heard == pushed {
            pushed = seq(&fixture.laptop.push("another"));
        }
    }
    reader.join().expect("the reader missed nothing");
}
