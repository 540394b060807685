//! Pushes before, during and after a rotation, with either key version or none.

use serde_json::json;

use super::*;
use tidelog_test_kit::change;

#[test]
fn during_a_rotation_a_push_uses_the_old_key_unless_it_names_the_new_one() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    me.push(&device, sealed_rows("before", "one", 1));
    me.push_under(&device, &sealed_rows("early", "two", 1), 2).expect_error(409, "key_version_conflict");
    me.begin_rotation("second").ok();
    me.push(&device, sealed_rows("unnamed", "one", 2));
    me.push_under(&device, &sealed_rows("old", "one", 3), 1).ok();
    me.push_under(&device, &sealed_rows("new", "two", 4), 2).ok();
    for other in [0, 3, u32::MAX] {
        let refused = me.push_under(&device, &sealed_rows("wrong", "x", 1), other);
        assert_eq!(refused.expect_error(409, "key_version_conflict")["key_version"], 1);
    }
    assert_eq!(me.remaining(), 6);
    assert_eq!(me.entries_to_rotate().len(), 6);
    let mut nothing = change("without data");
    nothing["data"] = json!(null);
    me.push(&device, vec![nothing]);
    assert_eq!(me.remaining(), 6, "what has no data needs no key");
    me.rotate_all("two");
    me.complete_rotation().ok();
    me.push(&device, sealed_rows("after", "two", 1));
    let under = |version| me.contents(&device).iter().filter(|(_, found, _)| *found == version).count();
    assert_eq!((under(1), under(2)), (1, 11), "only the change without data keeps the old number");
    assert_consistent(&server, &me, &device);
}

#[test]
fn after_a_rotation_only_the_new_key_is_accepted() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    me.begin_rotation("second").ok();
    me.complete_rotation().ok();
    let late = me.push_under(&device, &sealed_rows("late", "one", 1), 1);
    assert_eq!(late.expect_error(409, "key_version_conflict")["key_version"], 2);
    me.push_under(&device, &sealed_rows("row", "two", 1), 2).ok();
    assert_eq!(me.total_changes(), 1);
}

#[test]
fn a_push_under_the_new_key_starts_the_rotation() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    me.begin_rotation("second").ok();
    me.push(&device, sealed_rows("old", "one", 1));
    assert_eq!(me.get(STATE).ok()["pending"]["started"], false);
    me.push_under(&device, &sealed_rows("new", "two", 1), 2).ok();
    assert_eq!(me.get(STATE).ok()["pending"]["started"], true);
    me.post(CANCEL, &json!({})).expect_error(409, "rotation_started");
}

#[test]
fn a_repeated_batch_gets_the_same_answer_in_every_phase() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    let batch = |name: &str, version: Option<u32>| {
        let mut change = sealed(name, "some key");
        if let Some(version) = version {
            change["key_version"] = json!(version);
        }
        json!({"device_id": device, "batch_id": fresh_id(), "changes": [change]})
    };
    let push = |batch: &Value| me.post("/api/sync/push", batch);
    let mut sent = vec![batch("a", None), batch("b", Some(1))];
    let mut responses: Vec<_> = sent.iter().map(|batch| push(batch).ok()).collect();
    let assert_repeats = |sent: &[Value], responses: &[Value]| {
        for (batch, response) in sent.iter().zip(responses) {
            assert_eq!(push(batch).ok(), *response);
        }
    };
    assert_repeats(&sent, &responses);
    me.begin_rotation("second").ok();
    sent.extend([batch("c", Some(1)), batch("d", Some(2)), batch("e", None)]);
    responses.extend(sent[2..].iter().map(|batch| push(batch).ok()));
    assert_repeats(&sent, &responses);
    me.rotate_all("two");
    assert_repeats(&sent, &responses);
    assert_eq!(me.remaining(), 0, "a repetition returns nothing new");
    me.complete_rotation().ok();
    assert_repeats(&sent, &responses);
    assert_eq!(me.total_changes(), 5);
    assert_consistent(&server, &me, &device);
}

#[test]
fn an_invalid_push_reports_its_key_version_first_in_every_phase() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    let mut faulty = change("row");
    faulty["table"] = json!("no table");
    me.begin_rotation("second").ok();
    me.push_under(&device, &[faulty.clone()], 3).expect_error(409, "key_version_conflict");
    me.push_under(&device, &[faulty.clone()], 2).expect_error(422, "invalid_change");
    me.complete_rotation().ok();
    me.push_under(&device, &[faulty], 1).expect_error(409, "key_version_conflict");
}

#[test]
fn the_pending_count_is_right_while_four_devices_push_and_two_rotate() {
    const PUSHES: usize = 40;
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    for batch in 0..5 {
        me.push(&device, sealed_rows(&format!("past-{batch}"), "one", 200));
    }
    std::thread::scope(|scope| {
        let pushers: Vec<_> = (0..4)
            .map(|number| {
                let (me, device) = (&me, me.device(&format!("Device {number}")));
                scope.spawn(move || {
                    for push in 0..PUSHES {
                        let name = format!("{number}-{push}");
                        // Half of them use the new key, once there is one.
                        let version = if push % 2 == 0 { 1 } else { 2 };
                        let response = me.push_under(&device, &sealed_rows(&name, "a key", 3), version);
                        if response.status == 409 {
                            me.push(&device, sealed_rows(&name, "one", 3));
                        }
                    }
                })
            })
            .collect();
        me.begin_rotation("second").ok();
        let rotators: Vec<_> = (0..2).map(|_| scope.spawn(|| me.rotate_all("two"))).collect();
        rotators.into_iter().for_each(|thread| thread.join().expect("it rotates"));
        pushers.into_iter().for_each(|thread| thread.join().expect("it pushes"));
    });
    assert_eq!(me.entries_to_rotate().len() as u64, me.remaining());
    assert_eq!(server.cli().run(&["check"]).json()["faults"], json!([]));
    me.rotate_all("two");
    me.complete_rotation().ok();
    assert_eq!(me.total_changes() as usize, 1_000 + 4 * PUSHES * 3);
    assert!(me.contents(&device).iter().all(|(_, version, _)| *version == 2));
    assert_consistent(&server, &me, &device);
}
