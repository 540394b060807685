//! What a stream says first: whether its reader has missed something.

use super::*;
use tidelog_test_kit::copy_database;

/// The stream has nothing to say of what was before: the first that it says is what happens now.
#[track_caller]
fn has_missed_nothing(scene: &Scene, mut stream: EventReader) {
    scene.phone.rotate();
    stream.keys();
    scene.phone.cancel_rotation();
    stream.keys();
}

#[test]
fn a_device_that_is_behind_gets_one_event_at_once() {
    let scene = Scene::set();
    scene.laptop.set_key();
    let before = scene.latest();
    scene.phone.push("one");
    let latest = scene.phone.push("two");
    let mut laptop = scene.laptop.listen_from(&before);
    assert_eq!(laptop.changed(), latest);
    has_missed_nothing(&scene, laptop);
}

#[test]
fn a_device_that_is_up_to_date_gets_no_event() {
    let scene = Scene::set();
    scene.laptop.set_key();
    let latest = scene.phone.push("one");
    has_missed_nothing(&scene, scene.laptop.listen_from(&latest));
}

#[test]
fn without_a_cursor_only_later_pushes_count() {
    let scene = Scene::set();
    scene.laptop.set_key();
    scene.phone.push("one");
    has_missed_nothing(&scene, scene.laptop.listen());
    has_missed_nothing(&scene, scene.laptop.listen_nameless());
}

#[test]
fn entries_of_the_device_itself_do_not_count() {
    let scene = Scene::set();
    scene.laptop.set_key();
    let before = scene.phone.push("by the phone");
    scene.laptop.push("by the laptop");
    has_missed_nothing(&scene, scene.laptop.listen_from(&before));
    assert_eq!(scene.phone.listen_from(&before).changed(), scene.latest());
}

#[test]
fn without_a_device_every_entry_counts() {
    let scene = Scene::set();
    let before = scene.latest();
    let latest = scene.laptop.push("by the laptop");
    let path = format!("{}&cursor={before}", scene.laptop.path);
    assert_eq!(scene.laptop.caller.open_stream(&path).changed(), latest);
}

#[test]
fn from_the_start_every_entry_counts() {
    let scene = Scene::set();
    scene.laptop.set_key();
    has_missed_nothing(&scene, scene.laptop.listen_from("0"));
    let latest = scene.laptop.push("by the laptop");
    for beginning in ["0", ""] {
        assert_eq!(scene.laptop.listen_from(beginning).changed(), latest);
    }
}

#[test]
fn a_reinstalled_device_is_notified_of_its_earlier_entries() {
    let scene = Scene::set();
    for row in ["one", "two", "three"] {
        scene.laptop.push(row);
    }
    let page = json!({"device_id": scene.laptop.device, "limit": 1});
    let page = scene.laptop.caller.post("/api/sync/pull", &page).ok();
    let middle = page["cursor"].as_str().expect("a cursor");
    assert_eq!(scene.laptop.listen_from(middle).changed(), scene.latest());
}

#[test]
fn the_last_event_id_wins_over_the_cursor_in_the_url() {
    let scene = Scene::set();
    scene.laptop.set_key();
    let old = scene.latest();
    let latest = scene.phone.push("one");
    let reopen =
        |cursor: &str, id: &str| scene.laptop.caller.reopen_stream(&scene.laptop.path_from(cursor), id);
    has_missed_nothing(&scene, reopen(&old, &latest));
    assert_eq!(reopen(&latest, &old).changed(), latest);
    assert_eq!(reopen(&old, "").changed(), latest, "an empty one is none");
}

#[test]
fn a_cursor_survives_a_restart() {
    let mut scene = Scene::set();
    let mut phone = scene.phone.listen();
    scene.laptop.push("one");
    let heard = phone.changed();
    scene.server.restart();
    scene.laptop.push("two");
    let after = scene.phone.listen_from(&heard).changed();
    assert_eq!((seq(&heard), seq(&after)), (2, 3));
}

#[test]
fn a_cursor_of_a_lost_history_gets_the_seq_to_resume_from() {
    let mut scene = Scene::set();
    scene.phone.push("kept");
    let kept = json!({"device_id": scene.laptop.device, "cursor": scene.latest()});
    scene.laptop.caller.post("/api/sync/pull", &kept).ok();
    scene.server.stop();
    copy_database(&scene.server.data(), &scene.server.beside("copy"));
    scene.server.start_again();
    let lost = scene.phone.push("lost");
    scene.server.stop();
    copy_database(&scene.server.beside("copy"), &scene.server.data());
    scene.server.start_again();

    let told = scene.laptop.caller.get(&scene.laptop.path_from(&lost)).refused(409, "log_rewound");
    let pull = json!({"device_id": scene.laptop.device, "cursor": lost});
    let pulled = scene.laptop.caller.post("/api/sync/pull", &pull).refused(409, "log_rewound");
    assert_eq!(
        (&told["resume_from"], seq(told["resume_from"].as_str().expect("a cursor"))),
        (&pulled["resume_from"], 2)
    );
    let nameless = format!("{}&cursor={lost}", scene.laptop.path);
    let told = scene.laptop.caller.get(&nameless).refused(409, "log_rewound");
    assert_eq!(seq(told["resume_from"].as_str().expect("a cursor")), 1, "without a device, the beginning");
    let beyond = format!("{}&cursor=1000", scene.laptop.path);
    scene.laptop.caller.get(&beyond).refused(409, "log_rewound");
}
