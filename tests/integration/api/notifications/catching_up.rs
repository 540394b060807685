//! The first event of a stream tells whether the subscriber has missed changes.

use super::*;
use tidelog_test_kit::copy_database;

/// Asserts that the stream reports nothing from the past: its first event is a new one.
#[track_caller]
fn assert_missed_nothing(fixture: &Fixture, mut stream: EventReader) {
    fixture.phone.rotate();
    stream.expect_keys();
    fixture.phone.cancel_rotation();
    stream.expect_keys();
}

#[test]
fn a_device_that_is_behind_gets_one_event_at_once() {
    let fixture = Fixture::new();
    fixture.laptop.set_key();
    let before = fixture.latest();
    fixture.phone.push("one");
    let latest = fixture.phone.push("two");
    let mut laptop = fixture.laptop.listen_from(&before);
    assert_eq!(laptop.expect_changed(), latest);
    assert_missed_nothing(&fixture, laptop);
}

#[test]
fn a_device_that_is_up_to_date_gets_no_event() {
    let fixture = Fixture::new();
    fixture.laptop.set_key();
    let latest = fixture.phone.push("one");
    assert_missed_nothing(&fixture, fixture.laptop.listen_from(&latest));
}

#[test]
fn without_a_cursor_only_later_pushes_count() {
    let fixture = Fixture::new();
    fixture.laptop.set_key();
    fixture.phone.push("one");
    assert_missed_nothing(&fixture, fixture.laptop.listen());
    assert_missed_nothing(&fixture, fixture.laptop.listen_without_device());
}

#[test]
fn entries_of_the_device_itself_do_not_count() {
    let fixture = Fixture::new();
    fixture.laptop.set_key();
    let before = fixture.phone.push("by the phone");
    fixture.laptop.push("by the laptop");
    assert_missed_nothing(&fixture, fixture.laptop.listen_from(&before));
    assert_eq!(fixture.phone.listen_from(&before).expect_changed(), fixture.latest());
}

#[test]
fn without_a_device_every_entry_counts() {
    let fixture = Fixture::new();
    let before = fixture.latest();
    let latest = fixture.laptop.push("by the laptop");
    let path = format!("{}&cursor={before}", fixture.laptop.path);
    assert_eq!(fixture.laptop.caller.open_stream(&path).expect_changed(), latest);
}

#[test]
fn from_the_start_every_entry_counts() {
    let fixture = Fixture::new();
    fixture.laptop.set_key();
    assert_missed_nothing(&fixture, fixture.laptop.listen_from("0"));
    let latest = fixture.laptop.push("by the laptop");
    for beginning in ["0", ""] {
        assert_eq!(fixture.laptop.listen_from(beginning).expect_changed(), latest);
    }
}

#[test]
fn a_reinstalled_device_is_notified_of_its_earlier_entries() {
    let fixture = Fixture::new();
    for row in ["one", "two", "three"] {
        fixture.laptop.push(row);
    }
    let page = json!({"device_id": fixture.laptop.device, "limit": 1});
    let page = fixture.laptop.caller.post("/api/sync/pull", &page).ok();
    let middle = page["cursor"].as_str().expect("a cursor");
    assert_eq!(fixture.laptop.listen_from(middle).expect_changed(), fixture.latest());
}

#[test]
fn the_last_event_id_wins_over_the_cursor_in_the_url() {
    let fixture = Fixture::new();
    fixture.laptop.set_key();
    let old = fixture.latest();
    let latest = fixture.phone.push("one");
    let reopen =
        |cursor: &str, id: &str| fixture.laptop.caller.reopen_stream(&fixture.laptop.path_from(cursor), id);
    assert_missed_nothing(&fixture, reopen(&old, &latest));
    assert_eq!(reopen(&latest, &old).expect_changed(), latest);
    assert_eq!(reopen(&old, "").expect_changed(), latest, "an empty id counts as none");
}

#[test]
fn a_cursor_survives_a_restart() {
    let mut fixture = Fixture::new();
    let mut phone = fixture.phone.listen();
    fixture.laptop.push("one");
    let heard = phone.expect_changed();
    fixture.server.restart();
    fixture.laptop.push("two");
    let after = fixture.phone.listen_from(&heard).expect_changed();
    assert_eq!((seq(&heard), seq(&after)), (2, 3));
}

#[test]
fn a_cursor_of_a_lost_history_gets_the_seq_to_resume_from() {
    let mut fixture = Fixture::new();
    fixture.phone.push("kept");
    let kept = json!({"device_id": fixture.laptop.device, "cursor": fixture.latest()});
    fixture.laptop.caller.post("/api/sync/pull", &kept).ok();
    fixture.server.stop();
    copy_database(&fixture.server.data(), &fixture.server.scratch_path("copy"));
    fixture.server.start_again();
    let lost = fixture.phone.push("lost");
    fixture.server.stop();
    copy_database(&fixture.server.scratch_path("copy"), &fixture.server.data());
    fixture.server.start_again();

    let error = fixture.laptop.caller.get(&fixture.laptop.path_from(&lost)).expect_error(409, "log_rewound");
    let pull = json!({"device_id": fixture.laptop.device, "cursor": lost});
    let pulled = fixture.laptop.caller.post("/api/sync/pull", &pull).expect_error(409, "log_rewound");
    assert_eq!(
        (&error["resume_from"], seq(error["resume_from"].as_str().expect("a cursor"))),
        (&pulled["resume_from"], 2)
    );
    let nameless = format!("{}&cursor={lost}", fixture.laptop.path);
    let error = fixture.laptop.caller.get(&nameless).expect_error(409, "log_rewound");
    assert_eq!(seq(error["resume_from"].as_str().expect("a cursor")), 1, "without a device, the beginning");
    let beyond = format!("{}&cursor=1000", fixture.laptop.path);
    fixture.laptop.caller.get(&beyond).expect_error(409, "log_rewound");
}
