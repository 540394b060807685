//! Pushing: sealed, split, all or nothing, once.

use serde_json::{Value, json};
use tidelog_client::formats::{OpenedEntry, Slot, open_entry};
use tidelog_client::{ChangeOp, SyncKitError, Timestamp};

use tidelog_test_kit::raw::RawClient;
use tidelog_test_kit::sdk::{Fixture, first_page, insert, now, pull_all, task, tasks};

/// The entries of a log, opened without the client.
pub(crate) fn opened(vault: &tidelog_client::formats::Vault, entries: &[Value]) -> Vec<OpenedEntry> {
    let open = |entry: &Value| {
        let slot = Slot {
            table: entry["table"].as_str().unwrap(),
            row_id: entry["row_id"].as_str().unwrap(),
            op: entry["op"].as_str().unwrap().parse().unwrap(),
            timestamp_us: entry["timestamp"].as_str().unwrap().parse::<Timestamp>().unwrap().as_micros(),
            key_version: serde_json::from_value(entry["key_version"].clone()).unwrap(),
        };
        open_entry(vault, &slot, entry["data"].as_str().unwrap()).unwrap()
    };
    entries.iter().map(open).collect()
}

#[tokio::test]
async fn a_device_pulls_what_another_one_pushes() {
    let fixture = Fixture::new().await;
    let (laptop, laptop_device) = fixture.device("laptop").await;
    let (phone, phone_device) = fixture.device("phone").await;
    let pushed = vec![
        insert(
            "tasks",
            "1",
            json!({ "title": "Buy milk", "tags": ["a", "ü", "🦀"], "done": false, "n": 1.5 }),
        ),
        insert("notes_2", "id / with: anything ✓", json!("text")),
        insert("tasks", "2", json!([1, 2, 3])),
    ];
    laptop.push(laptop_device.id, pushed.clone()).await.unwrap();
    assert_eq!(pull_all(&phone, &phone_device).await, pushed);
}

#[tokio::test]
async fn a_delete_is_pushed_as_a_sealed_tombstone() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let mut delete = task("1");
    delete.op = ChangeOp::Delete;
    client.push(device.id, vec![task("1"), delete.clone()]).await.unwrap();
    let pulled = pull_all(&client, &device).await;
    assert_eq!((pulled[1].op, &pulled[1].data), (ChangeOp::Delete, &None));

    let entries = RawClient::with_token_of(&fixture, &client).entries(&device).await;
    assert!(entries[1]["data"].as_str().is_some_and(|data| data.len() > 56));
}

#[tokio::test]
async fn an_insert_without_data_is_pushed_as_null() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let mut bare = task("1");
    bare.data = None;
    client.push(device.id, vec![bare.clone(), insert("tasks", "2", Value::Null)]).await.unwrap();
    let page = first_page(&client, device.id).await;
    assert!(page.quarantined.is_empty());
    assert!(page.changes.iter().all(|change| change.entry.data.is_none()));
}

#[tokio::test]
async fn timestamps_are_truncated_to_microseconds() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let whole = now();
    let mut change = task("1");
    change.timestamp = whole + chrono::TimeDelta::nanoseconds(999);
    client.push(device.id, vec![change]).await.unwrap();
    assert_eq!(pull_all(&client, &device).await[0].timestamp, whole);
}

#[tokio::test]
async fn the_server_sees_no_content() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    client.push(device.id, vec![insert("tasks", "1", json!({ "title": "Buy milk" }))]).await.unwrap();
    let entries = RawClient::with_token_of(&fixture, &client).entries(&device).await;
    let seen = Value::from(entries).to_string();
    assert!(seen.contains("tasks"));
    assert!(!seen.contains("milk") && !seen.contains("title"));
}

#[tokio::test]
async fn more_changes_than_one_push_can_hold_are_split_in_order() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let pushed = tasks(1_201);
    let cursor = client.push(device.id, pushed.clone()).await.unwrap();
    assert_eq!(client.status().await.unwrap().latest_cursor, cursor);
    assert_eq!(pull_all(&client, &device).await, pushed);
}

#[tokio::test]
async fn more_bytes_than_one_body_can_hold_are_split() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let large = "x".repeat(700_000);
    let pushed: Vec<_> = (0..20).map(|number| insert("files", &number.to_string(), json!(large))).collect();
    client.push(device.id, pushed).await.unwrap();
    let status = client.status().await.unwrap();
    assert_eq!(status.total_changes, 20);
    assert!(status.change_bytes > 16 * 1024 * 1024, "one body would have been enough");
}

#[tokio::test]
async fn a_change_that_is_too_large_is_named_and_nothing_is_sent() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let large = insert("files", "2", json!("x".repeat(1024 * 1024)));
    let refused = client.push(device.id, vec![task("1"), large, task("3")]).await;
    assert!(matches!(refused, Err(SyncKitError::ChangeTooLarge { index: 1, .. })));
    assert_eq!(client.status().await.unwrap().total_changes, 0);
    client.push(device.id, vec![task("1")]).await.unwrap();
}

#[tokio::test]
async fn all_invalid_names_are_reported_with_index_and_field_and_nothing_is_sent() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let refused = client.push(device.id, vec![task("1"), insert("a table", "a\nrow", json!(1))]).await;
    let Err(SyncKitError::InvalidChanges { faults }) = refused else { panic!("{refused:?}") };
    let told: Vec<_> = faults.iter().map(|fault| (fault.index, fault.field.as_str())).collect();
    assert_eq!(told, [(1, "table"), (1, "row_id")]);
    assert_eq!(client.status().await.unwrap().total_changes, 0);
}

#[tokio::test]
async fn a_push_without_changes_is_an_error() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    assert!(matches!(client.push(device.id, Vec::new()).await, Err(SyncKitError::NothingToPush)));
}

#[tokio::test]
async fn entries_are_numbered_and_linked_across_pushes() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    client.push(device.id, tasks(2)).await.unwrap();
    client.push(device.id, tasks(2)).await.unwrap();
    let raw = RawClient::with_token_of(&fixture, &client);
    let entries = opened(&raw.opened_envelope().await.vault, &raw.entries(&device).await);
    assert_eq!(entries.iter().map(|entry| entry.counter).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(entries[0].prev, [0; 16]);
    for pair in entries.windows(2) {
        assert_eq!((pair[1].stream, pair[1].prev), (pair[0].stream, pair[0].link));
    }
}

#[tokio::test]
async fn every_change_names_the_key_it_is_sealed_under() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    client.push(device.id, tasks(2)).await.unwrap();
    let entries = RawClient::with_token_of(&fixture, &client).entries(&device).await;
    assert!(entries.iter().all(|entry| entry["key_version"] == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_pushes_run_one_after_the_other_on_one_stream() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let client = std::sync::Arc::new(client);
    let push = |number: usize| {
        let (client, device_id) = (client.clone(), device.id);
        tokio::spawn(async move { client.push(device_id, vec![task(&number.to_string())]).await })
    };
    for push in (0..8).map(push).collect::<Vec<_>>() {
        push.await.unwrap().unwrap();
    }
    let raw = RawClient::with_token_of(&fixture, &client);
    let entries = opened(&raw.opened_envelope().await.vault, &raw.entries(&device).await);
    assert!(entries.iter().map(|entry| entry.counter).eq(0..8));
}
