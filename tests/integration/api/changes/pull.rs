//! Pulls with filters, limits and own changes.

use serde_json::{Value, json};

use tidelog_test_kit::{Server, change, changes, instant};

/// Returns changes to three tables, each with its own time.
fn mixed_changes() -> Vec<Value> {
    let of_number = |number: i64| {
        let table = ["notes", "tags", "links"][number as usize % 3];
        json!({
            "table": table,
            "op": "insert",
            "row_id": format!("{number}"),
            "timestamp": instant(number * 7 % 50),
            "data": null,
        })
    };
    (0..50).map(of_number).collect()
}

fn rows(entries: &[Value]) -> Vec<Value> {
    entries.iter().map(|entry| entry["row_id"].clone()).collect()
}

#[test]
fn filters_return_exactly_the_matching_entries() {
    let server = Server::start();
    let caller = server.signed_in_caller();
    let written = mixed_changes();
    caller.push(&caller.device("Writer"), written.clone());
    let reader = caller.device("Reader");
    let filters = [
        json!({"tables": ["notes"]}),
        json!({"tables": ["tags", "links"], "limit": 7}),
        json!({"tables": ["absent"]}),
        json!({"since": instant(25)}),
        json!({"since": instant(49), "limit": 1}),
        json!({"tables": ["links"], "since": instant(20), "limit": 3}),
    ];
    for filter in filters {
        let wanted = |change: &&Value| {
            let table_fits =
                filter["tables"].as_array().is_none_or(|tables| tables.contains(&change["table"]));
            let time_fits =
                filter["since"].as_str().is_none_or(|since| change["timestamp"].as_str() >= Some(since));
            table_fits && time_fits
        };
        let expected: Vec<_> = written.iter().filter(wanted).map(|change| change["row_id"].clone()).collect();
        let mut request = filter.clone();
        request["device_id"] = json!(reader);
        assert_eq!(rows(&caller.pull_pages(&mut request)), expected, "{filter}");
    }
}

#[test]
fn a_filtered_pull_moves_its_cursor_past_skipped_entries() {
    let server = Server::start();
    let caller = server.signed_in_caller();
    caller.push(&caller.device("Writer"), mixed_changes());
    let mut filtered = json!({"device_id": caller.device("Reader"), "tables": ["absent"]});
    assert_eq!(caller.pull_pages(&mut filtered), [Value::Null; 0]);
    let mut rest = json!({"device_id": filtered["device_id"], "cursor": filtered["cursor"]});
    assert_eq!(caller.pull_pages(&mut rest), [Value::Null; 0], "the cursor is after them");
}

#[test]
fn an_empty_page_may_still_have_more_after_a_long_scan() {
    let server = Server::start();
    let caller = server.signed_in_caller();
    let writer = caller.device("Writer");
    let scanned = caller.get("/api/sync/limits").ok()["max_scanned_per_page"].as_u64().expect("a limit");
    for batch in 0..=scanned / 500 {
        caller.push(&writer, changes(&format!("{batch}"), 500));
    }
    let mut wanted = change("needle");
    wanted["table"] = json!("needles");
    caller.push(&writer, vec![wanted]);
    let mut request = json!({"device_id": caller.device("Reader"), "tables": ["needles"]});
    let first = caller.post("/api/sync/pull", &request).ok();
    assert_eq!(first["changes"], json!([]));
    assert_eq!(first["has_more"], true);
    request["cursor"] = first["cursor"].clone();
    assert_eq!(rows(&caller.pull_pages(&mut request)), ["needle"]);
}

#[test]
fn pages_respect_the_requested_limit_and_the_cap() {
    let server = Server::start();
    let caller = server.signed_in_caller();
    let writer = caller.device("Writer");
    caller.push(&writer, changes("a", 500));
    caller.push(&writer, changes("b", 101));
    let reader = caller.device("Reader");
    let page_of = |limit: Value| {
        let page = caller.post("/api/sync/pull", &json!({"device_id": reader, "limit": limit})).ok();
        (page["changes"].as_array().expect("changes").len(), page["has_more"].as_bool())
    };
    assert_eq!(page_of(json!(1)), (1, Some(true)));
    assert_eq!(page_of(json!(500)), (500, Some(true)));
    assert_eq!(page_of(Value::Null), (500, Some(true)));
    let mut request = json!({"device_id": reader, "limit": 200});
    assert_eq!(caller.pull_pages(&mut request).len(), 601);
}

#[test]
fn a_page_of_large_changes_is_limited_by_bytes() {
    let server = Server::start();
    let caller = server.signed_in_caller();
    let limits = caller.get("/api/sync/limits").ok();
    let number = |name: &str| limits[name].as_u64().expect("a limit") as usize;
    let large = "x".repeat(number("max_data_bytes"));
    let mut written = changes("large", 8);
    written.iter_mut().for_each(|change| change["data"] = json!(large));
    caller.push(&caller.device("Writer"), written);
    let mut request = json!({"device_id": caller.device("Reader")});
    let first = caller.post("/api/sync/pull", &request).ok();
    let count = first["changes"].as_array().expect("changes").len();
    assert!((1..=number("max_page_bytes") / large.len() + 1).contains(&count), "{count} megabytes in a page");
    assert_eq!(first["has_more"], true);
    assert_eq!(caller.pull_pages(&mut request).len(), 8);
}

#[test]
fn include_own_overrides_the_default_for_own_changes() {
    let server = Server::start();
    let caller = server.signed_in_caller();
    let (mine, other) = (caller.device("Mine"), caller.device("Other"));
    caller.push(&mine, vec![change("mine")]);
    caller.push(&other, vec![change("other")]);
    let pulled = |extra: Value| {
        let mut request = json!({"device_id": mine});
        request.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        rows(&caller.pull_pages(&mut request))
    };
    let after_nothing = caller.post("/api/sync/pull", &json!({"device_id": other, "limit": 1})).ok();
    assert_eq!(pulled(json!({"include_own": false})), ["other"]);
    assert_eq!(pulled(json!({"include_own": true})), ["mine", "other"]);
    assert_eq!(pulled(json!({})), ["mine", "other"], "a pull from the start restores a device");
    let cursor = after_nothing["cursor"].clone();
    assert_eq!(pulled(json!({"include_own": true, "cursor": cursor})), ["other"]);
}

#[test]
fn an_invalid_pull_names_the_field() {
    let server = Server::start();
    let caller = server.signed_in_caller();
    let device = caller.device("Laptop");
    let faulty = [
        ("device_id", json!("no uuid")),
        ("device_id", Value::Null),
        ("cursor", json!("12-abc")),
        ("cursor", json!(-1)),
        ("cursor", json!(1.5)),
        ("cursor", json!("-5-aaaaaaaa")),
        ("cursor", json!([])),
        ("limit", json!(-1)),
        ("limit", json!("ten")),
        ("limit", json!(0)),
        ("tables", json!("notes")),
        ("tables", json!([1])),
        ("tables", json!(vec!["t"; 101])),
        ("since", json!("yesterday")),
        ("since", json!(12)),
        ("include_own", json!("yes")),
    ];
    for (field, value) in faulty {
        let mut request = json!({"device_id": device});
        request[field] = value.clone();
        let body = caller.post("/api/sync/pull", &request).expect(422);
        assert_eq!(
            body["field"].as_str().map(|name| name.split(['[', '.']).next()),
            Some(Some(field)),
            "{value}: {body}"
        );
    }
}
