//! Pulling: in order, in pages, filtered, and not disturbed by entries that do not open.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tidelog_client::formats::{EntryBody, FormatError, SealOptions, Slot, Stream};
use tidelog_client::{ChangeOp, Cursor, PullFilter, QuarantineReason, SyncKitError};

use tidelog_test_kit::raw::RawClient;
use tidelog_test_kit::sdk::{Fixture, first_page, insert, pull_all, task, tasks};

#[tokio::test]
async fn a_pull_continues_where_the_last_one_ended() {
    let fixture = Fixture::new().await;
    let (laptop, laptop_device) = fixture.device("laptop").await;
    let (phone, phone_device) = fixture.device("phone").await;
    laptop.push(laptop_device.id, tasks(2)).await.unwrap();
    let (changes, cursor, has_more) = phone.pull(phone_device.id, 0).await.unwrap();
    assert_eq!((changes.len(), has_more), (2, false));
    assert_eq!(phone.pull(phone_device.id, cursor).await.unwrap(), (Vec::new(), cursor, false));
    laptop.push(laptop_device.id, vec![task("late")]).await.unwrap();
    assert_eq!(phone.pull(phone_device.id, cursor).await.unwrap().0[0].row_id, "late");
}

#[tokio::test]
async fn a_long_log_comes_in_pages() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    client.push(device.id, tasks(1_001)).await.unwrap();
    let (changes, _, has_more) = client.pull(device.id, 0).await.unwrap();
    assert_eq!((changes.len(), has_more), (500, true));
    assert_eq!(pull_all(&client, &device).await.len(), 1_001);
}

#[tokio::test]
async fn a_device_does_not_pull_its_own_changes_unless_it_was_reinstalled() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let cursor = client.pull(device.id, 0).await.unwrap().1;
    client.push(device.id, tasks(2)).await.unwrap();
    assert_eq!(client.pull(device.id, cursor).await.unwrap().0.len(), 0);
    let own = PullFilter { include_own: Some(true), ..PullFilter::default() };
    assert_eq!(client.pull_filtered(device.id, cursor, own).await.unwrap().0.len(), 2);

    let (reinstalled, same_device) = fixture.device("laptop").await;
    assert_eq!(same_device.id, device.id);
    assert_eq!(pull_all(&reinstalled, &same_device).await.len(), 2);
}

#[tokio::test]
async fn a_rich_pull_returns_seq_author_and_key_version() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let pushed = tasks(2);
    client.push(device.id, pushed.clone()).await.unwrap();
    let (changes, ..) = client.pull_rich(device.id, 0).await.unwrap();
    assert!(changes[0].seq < changes[1].seq);
    for (change, pushed) in changes.iter().zip(pushed) {
        assert_eq!((&change.entry, change.device_id, change.key_version), (&pushed, device.id, 1));
    }
}

#[tokio::test]
async fn a_filter_selects_tables_times_and_page_length() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let mut old = insert("notes", "old", json!(1));
    old.timestamp -= TimeDelta::days(1);
    let new = insert("notes", "new", json!(2));
    client.push(device.id, vec![task("1"), old, new.clone(), task("2")]).await.unwrap();
    let rows = async |filter| -> Vec<String> {
        let (changes, ..) = client.pull_filtered_rich(device.id, 0, filter).await.unwrap();
        changes.into_iter().map(|change| change.entry.row_id).collect()
    };
    let notes = PullFilter { tables: Some(vec!["notes".into()]), ..PullFilter::default() };
    assert_eq!(rows(notes.clone()).await, ["old", "new"]);
    assert_eq!(rows(PullFilter { since: Some(new.timestamp), ..notes }).await, ["new"]);
    let limited = PullFilter { limit: Some(3), ..PullFilter::default() };
    assert_eq!(rows(limited.clone()).await, ["1", "old", "new"]);
    assert!(client.pull_filtered(device.id, 0, limited).await.unwrap().2);
}

#[tokio::test]
async fn an_invalid_filter_is_a_typed_error() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let filter = PullFilter { tables: Some(vec!["no table".into()]), ..PullFilter::default() };
    let refused = client.pull_filtered(device.id, 0, filter).await;
    assert!(matches!(refused, Err(SyncKitError::InvalidField { .. })));
}

#[tokio::test]
async fn a_cursor_from_another_history_is_an_error_that_says_where_to_resume() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    client.push(device.id, tasks(2)).await.unwrap();
    client.pull(device.id, 0).await.unwrap();
    let foreign: Cursor = "1000-aaaaaaaa".parse().unwrap();
    let refused = client.pull(device.id, foreign).await;
    let Err(SyncKitError::LogRewound { resume_from }) = refused else { panic!("{refused:?}") };
    assert!(client.pull(device.id, resume_from).await.is_ok());
}

#[tokio::test]
async fn entries_that_do_not_open_are_quarantined_and_stop_nothing() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let raw = RawClient::with_token_of(&fixture, &client);
    client.push(device.id, vec![task("before")]).await.unwrap();
    let sealed = raw.entries(&device).await.remove(0);
    let moved = |field: &str, value: Value| {
        let mut entry = sealed.clone();
        entry[field] = value;
        entry
    };
    let garbage = |data: Value| moved("data", data);
    raw.push(
        &device,
        json!([
            garbage(Value::Null),
            garbage(json!("not base64!")),
            garbage(json!("c2hvcnQ=")),
            garbage(json!("A".repeat(80))),
            moved("row_id", json!("another row")),
            moved("table", json!("another_table")),
            moved("op", json!("update")),
            moved("timestamp", json!("2026-01-01T00:00:00Z")),
        ]),
    )
    .await;
    client.push(device.id, vec![task("after")]).await.unwrap();

    let page = first_page(&client, device.id).await;
    let rows: Vec<_> = page.changes.iter().map(|change| change.entry.row_id.as_str()).collect();
    assert_eq!(rows, ["before", "after"]);
    let unreadable = QuarantineReason::Unreadable;
    let reasons: Vec<_> = page.quarantined.iter().map(|entry| entry.reason).collect();
    assert_eq!(reasons[0], QuarantineReason::Unsealed);
    assert_eq!(reasons[1..3], [unreadable(FormatError::NotBase64), unreadable(FormatError::TooShort)]);
    assert_eq!(reasons[3..], [unreadable(FormatError::DoesNotOpen); 5]);
    assert_eq!(page.quarantined[4].row_id, "another row");
    assert_eq!(client.quarantined(), 8);

    let (changes, cursor, has_more) = client.pull(device.id, 0).await.unwrap();
    assert_eq!((changes.len(), cursor, has_more), (2, page.cursor, false));
    assert_eq!(client.quarantined(), 16);
}

#[tokio::test]
async fn an_unsealed_delete_deletes_nothing() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let delete =
        json!({ "table": "tasks", "op": "delete", "row_id": "1", "timestamp": "2026-01-01T00:00:00Z" });
    RawClient::with_token_of(&fixture, &client).push(&device, json!([delete])).await;
    let page = first_page(&client, device.id).await;
    assert!(page.changes.is_empty());
    assert_eq!(page.quarantined[0].reason, QuarantineReason::Unsealed);
}

#[tokio::test]
async fn an_operation_in_upper_case_is_the_same_operation() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let raw = RawClient::with_token_of(&fixture, &client);
    let vault = raw.opened_envelope().await.vault;
    let slot = Slot { table: "tasks", row_id: "1", op: ChangeOp::Insert, timestamp_us: 0, key_version: 1 };
    let mut stream = Stream::generate().unwrap();
    let sealed = stream.seal(&vault, &slot, EntryBody::Value(b"7"), &SealOptions::default()).unwrap();
    let entry = json!({ "table": "tasks", "op": "INSERT", "row_id": "1", "timestamp": "1970-01-01T00:00:00Z",
        "data": sealed.data });
    raw.push(&device, json!([entry])).await;
    let page = first_page(&client, device.id).await;
    assert_eq!(page.quarantined, []);
    assert_eq!(page.changes[0].entry.op, ChangeOp::Insert);
}
