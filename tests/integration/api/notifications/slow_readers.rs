//! A subscriber that does not read while others push receives the latest state, not the history.

use std::thread;

use super::*;

/// Pushes while the subscriber does not read.
const PUSHES: usize = 5_000;
/// Concurrent writers, so that several pushes share a commit on any disk.
const WRITERS: usize = 32;
/// Maximum number of events it then reads: those sent before coalescing set in, and one for each coalescing window
/// since.
const MAX_EVENTS: usize = PUSHES / 10;

#[test]
fn a_slow_reader_gets_a_few_events_and_the_last_one() {
    let fixture = Fixture::new();
    let mut asleep = fixture.phone.caller.open_small_buffer_stream(&fixture.phone.path);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let laptop = &fixture.laptop;
            scope.spawn(move || {
                for number in 0..PUSHES / WRITERS {
                    laptop.caller.push(&laptop.device, vec![change(&format!("{writer}-{number}"))]);
                }
            });
        }
    });
    let latest = fixture.latest();
    let mut events = 1;
    while asleep.expect_changed() != latest {
        events += 1;
    }
    assert!(
        events < MAX_EVENTS,
        "{events} events for {PUSHES} pushes were kept for a subscriber that did not read"
    );
}
