//! Pages of remaining entries, and batches that rotate them.

use serde_json::json;

use super::*;
use tidelog_test_kit::{change, copy_database};

#[test]
fn pages_hold_entries_with_data_that_are_neither_rotated_nor_kept() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    let mut rows = sealed_rows("row", "one", 5);
    rows[1]["data"] = json!(null);
    rows[2]["data"] = json!("not base64, é");
    me.push(&device, rows);
    me.begin_rotation("second").ok();
    let page = me.post(ENTRIES, &json!({})).ok();
    let entries = page["entries"].as_array().expect("entries");
    let pulled = me.pull_everything(&device);
    assert_eq!(*entries, [&pulled[0], &pulled[2], &pulled[3], &pulled[4]].map(Clone::clone));
    assert_eq!((&page["has_more"], &page["remaining"]), (&json!(false), &json!(4)));
    me.rotate(&entries[..1], "two").ok();
    me.post(BATCH, &json!({"entries": [{"seq": entries[1]["seq"], "keep": true}]})).ok();
    assert_eq!(me.entries_to_rotate(), entries[2..]);
    assert_eq!(me.remaining(), 2);
}

#[test]
fn pages_continue_at_the_cursor_and_have_the_limits_of_a_pull() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    for batch in 0..3 {
        me.push(&device, sealed_rows(&format!("row-{batch}"), "one", 400));
    }
    me.begin_rotation("second").ok();
    let first = me.post(ENTRIES, &json!({"limit": 10_000})).ok();
    assert_eq!(first["entries"].as_array().expect("entries").len(), 500);
    assert_eq!(first["has_more"], true);
    let some = me.post(ENTRIES, &json!({"cursor": first["cursor"], "limit": 7})).ok();
    assert_eq!(some["entries"].as_array().expect("entries").len(), 7);
    assert_eq!(me.entries_to_rotate().len(), 1_200);
    let big = "x".repeat(1 << 20);
    for row in 0..6 {
        let mut change = change(&format!("big-{row}"));
        change["data"] = json!(big);
        me.push(&device, vec![change]);
    }
    let from = me.post(ENTRIES, &json!({"cursor": me.get("/api/sync/status").ok()["latest_cursor"]})).ok();
    assert_eq!((&from["entries"], &from["has_more"]), (&json!([]), &json!(false)));
    let tail = me.entries_to_rotate();
    assert_eq!(tail.len(), 1_206);
    let before_big = json!({"cursor": tail[1_199]["seq"]});
    let page = me.post(ENTRIES, &before_big).ok();
    assert!(page["entries"].as_array().expect("entries").len() <= 4, "a page has about 4 MiB");
    assert_eq!(page["has_more"], true);
    me.post(ENTRIES, &json!({"limit": 0})).expect_error(422, "invalid_field");
}

#[test]
fn a_cursor_of_a_lost_history_starts_over() {
    let mut server = Server::start();
    let (me, device) = caller_with_key(&server);
    me.push(&device, sealed_rows("row", "one", 2));
    me.begin_rotation("second").ok();
    let old = server.scratch_path("old");
    server.stop();
    copy_database(&server.data(), &old);
    server.start_again();
    me.push(&device, sealed_rows("lost", "one", 2));
    let cursor = me.post(ENTRIES, &json!({})).ok()["cursor"].clone();
    server.stop();
    copy_database(&old, &server.data());
    server.start_again();
    let refused = me.post(ENTRIES, &json!({"cursor": cursor})).expect_error(409, "log_rewound");
    let page = me.post(ENTRIES, &json!({"cursor": refused["resume_from"]})).ok();
    assert_eq!(page["entries"].as_array().expect("entries").len(), 2);
}

#[test]
fn without_a_rotation_every_step_is_refused() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    me.push(&device, sealed_rows("row", "one", 1));
    me.post(ENTRIES, &json!({})).expect_error(409, "no_rotation");
    let seq = me.pull_everything(&device)[0]["seq"].clone();
    me.post(BATCH, &json!({"entries": [{"seq": seq, "data": "x"}]})).expect_error(409, "no_rotation");
    assert_eq!(me.contents(&device)[0].1, 1);
}

#[test]
fn repeating_a_batch_changes_nothing_and_the_first_one_wins() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    me.push(&device, sealed_rows("row", "one", 3));
    me.begin_rotation("second").ok();
    let left = me.entries_to_rotate();
    let batch = json!({"entries": [rotated(&left[0], "two"), {"seq": left[1]["seq"], "keep": true}]});
    assert_eq!(me.post(BATCH, &batch).ok(), json!({"updated": 2, "remaining": 1}));
    assert_eq!(me.post(BATCH, &batch).ok(), json!({"updated": 0, "remaining": 1}));
    let other = json!({"entries": [{"seq": left[0]["seq"], "data": "b3RoZXI="}, {"seq": left[0]["seq"].as_i64().expect("a seq") + 2, "keep": true}]});
    assert_eq!(me.post(BATCH, &other).ok(), json!({"updated": 1, "remaining": 0}));
    assert_eq!(me.contents(&device)[0].2, sealed("row-0", "two")["data"]);
    // Entries that were kept may still be rotated.
    assert_eq!(me.rotate(&left[1..], "two").ok(), json!({"updated": 2, "remaining": 0}));
    assert_eq!(
        me.post(BATCH, &json!({"entries": [{"seq": left[1]["seq"], "keep": true}]})).ok()["updated"],
        0
    );
    me.complete_rotation().ok();
    assert!(me.contents(&device).iter().all(|(_, version, _)| *version == 2));
    assert_consistent(&server, &me, &device);
}

#[test]
fn kept_entries_stay_under_the_old_key_and_do_not_block_completion() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    me.push(&device, sealed_rows("row", "one", 2));
    me.begin_rotation("second").ok();
    let left = me.entries_to_rotate();
    me.post(BATCH, &json!({"entries": [{"seq": left[0]["seq"], "keep": true}]})).ok();
    me.rotate(&left[1..], "two").ok();
    me.complete_rotation().ok();
    let contents = me.contents(&device);
    assert_eq!((contents[0].1, contents[1].1), (1, 2));
    assert_eq!(contents[0].2, sealed("row-0", "one")["data"]);
    // The next rotation lists it again.
    me.begin_rotation("third").ok();
    assert_eq!(me.remaining(), 2);
    assert_consistent(&server, &me, &device);
}

#[test]
fn an_invalid_batch_changes_nothing_and_lists_every_error() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    let mut rows = sealed_rows("row", "one", 3);
    rows[2]["data"] = json!(null);
    me.push(&device, rows);
    me.begin_rotation("second").ok();
    let seqs: Vec<_> = me.pull_everything(&device).iter().map(|entry| entry["seq"].clone()).collect();
    let faults = |entries: Value| {
        let refused = me.post(BATCH, &json!({"entries": entries})).expect_error(422, "invalid_change");
        let of = |fault: &Value| {
            (fault["index"].as_u64().expect("an index"), tidelog_test_kit::text(&fault["field"]))
        };
        refused["changes"].as_array().expect("faults").iter().map(of).collect::<Vec<_>>()
    };
    let seq = |index| (index, "seq".to_owned());
    let good = json!({"seq": seqs[0], "data": "eA=="});
    assert_eq!(
        faults(json!([good, {"seq": 999_999, "keep": true}, {"seq": -3, "data": "x"}])),
        [seq(1), seq(2)]
    );
    assert_eq!(faults(json!([good, {"seq": seqs[2], "data": "x"}])), [seq(1)], "it has no data");
    assert_eq!(faults(json!([good, {"seq": seqs[0], "keep": true}])), [seq(1)], "it is there twice");
    let shapes = json!([
        {"seq": seqs[0]},
        {"seq": seqs[1], "data": "x", "keep": true},
        {"seq": 5_000, "data": ""},
        {"seq": 5_001, "data": "x".repeat((1 << 20) + 1)},
    ]);
    let expected = [(0, "entry"), (1, "entry"), (2, "data"), (3, "data")];
    assert_eq!(faults(shapes), expected.map(|(index, field)| (index, field.to_owned())));
    let too_many: Vec<_> = (0..501).map(|seq| json!({"seq": seq, "keep": true})).collect();
    me.post(BATCH, &json!({"entries": too_many})).expect_error(422, "too_many_changes");
    for (field, entries) in [
        ("entries", json!([])),
        ("entries", json!(7)),
        ("entries[0].seq", json!([{"seq": "2", "keep": true}])),
    ] {
        let refused = me.post(BATCH, &json!({"entries": entries})).expect_error(422, "invalid_field");
        assert_eq!(refused["field"], field);
    }
    assert_eq!(me.remaining(), 2);
    assert!(me.contents(&device).iter().all(|(_, version, _)| *version == 1));
    assert_consistent(&server, &me, &device);
}

#[test]
fn an_entry_of_another_tenant_is_reported_like_a_missing_one() {
    let server = Server::start();
    let (app, elsewhere) = (server.new_app("Notes"), server.new_app("Tasks"));
    let (ada, bob) = (server.new_user("ada@example.org"), server.new_user("bob@example.org"));
    let me = server.sign_in(&ada, &app);
    me.put(KEYS, &json!({"encrypted_key": envelope("first")})).ok();
    me.push(&me.device("Laptop"), vec![change("mine")]);
    me.begin_rotation("second").ok();
    for other in [server.sign_in(&bob, &app), server.sign_in(&ada, &elsewhere)] {
        let device = other.device("Laptop");
        other.put(KEYS, &json!({"encrypted_key": envelope("first")})).ok();
        other.push(&device, vec![change("theirs")]);
        other.begin_rotation("second").ok();
        let seq = other.pull_everything(&device)[0]["seq"].clone();
        let batch = |seq: Value| me.post(BATCH, &json!({"entries": [{"seq": seq, "data": "eA=="}]}));
        let (foreign, unknown) = (batch(seq), batch(json!(1_000_000)));
        foreign.expect_error(422, "invalid_change");
        assert_eq!(foreign.text(), unknown.text());
        assert_eq!((other.remaining(), me.remaining()), (1, 1));
        assert_eq!(other.contents(&device)[0].1, 1);
    }
}
