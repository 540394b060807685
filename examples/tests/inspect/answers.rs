//! The JSON output of each command.

use serde_json::{Value, json};
use tidelog::server::commands::{Command, DeviceCommand};
use tidelog_client::ChangeOp;

use crate::inspect::fixture::{Fixture, change};

const THEN: &str = "2026-01-02T03:04:05Z";

#[tokio::test]
async fn tables_are_counted_with_their_rows_deleted_rows_and_entries() {
    let (fixture, _) = Fixture::lived_in().await;
    let found = fixture.inspector().json(&["tables"]);
    let table = |table, rows, deleted_rows, entries, newest_seq| {
        json!({"table": table, "rows": rows, "deleted_rows": deleted_rows, "entries": entries,
            "newest_seq": newest_seq, "newest_timestamp": THEN})
    };
    assert_eq!(found, json!({"tables": [table("notes", 1, 0, 1, 4), table("tasks", 1, 1, 4, 6)]}));
}

#[tokio::test]
async fn rows_have_the_value_of_their_newest_entry_and_deleted_ones_are_left_out() {
    let (fixture, _) = Fixture::lived_in().await;
    let found = fixture.inspector().json(&["rows", "tasks"]);
    assert_eq!(found["deleted_rows"], 1);
    let rows = found["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["row_id"], "1");
    assert_eq!(rows[0]["value"], json!({"title": "Buy oat milk", "by": "Mia"}));
    assert_eq!(rows[0]["device"], "Phone");
}

#[tokio::test]
async fn deleted_rows_are_shown_when_asked_for() {
    let (fixture, _) = Fixture::lived_in().await;
    let found = fixture.inspector().json(&["rows", "tasks", "--deleted"]);
    let ops: Vec<&Value> = found["rows"].as_array().expect("rows").iter().map(|row| &row["op"]).collect();
    assert_eq!(ops, ["update", "delete"]);
    assert_eq!(found["rows"][1]["value"], Value::Null);
}

#[tokio::test]
async fn a_history_has_every_entry_of_the_row_with_its_device_key_and_value() {
    let (fixture, laptop) = Fixture::lived_in().await;
    let found = fixture.inspector().json(&["history", "tasks", "1"]);
    let history = found["history"].as_array().expect("entries");
    assert_eq!(
        history[0],
        json!({"seq": 2, "row_id": "1", "op": "insert", "timestamp": THEN, "device_id": laptop.id,
            "device": "Laptop", "key_version": 1, "value": {"title": "Buy milk", "done": false}})
    );
    assert_eq!(
        (&history[1]["seq"], &history[1]["op"], &history[1]["device"]),
        (&json!(5), &json!("update"), &json!("Phone"))
    );
    assert_eq!(history.len(), 2);
    assert_eq!(found, fixture.inspector().json(&["row", "tasks", "1"]), "row is another word for it");
}

#[tokio::test]
async fn a_log_of_many_pages_is_read_to_its_end() {
    let fixture = Fixture::empty().await;
    let laptop = fixture.device("Laptop").await;
    let many = 1_203;
    let insert = |row: usize| change(ChangeOp::Insert, "tasks", &row.to_string(), Some(json!({"row": row})));
    laptop.push((0..many).map(insert).collect()).await;
    let found = fixture.inspector().json(&["rows", "tasks"]);
    assert_eq!(found["rows"].as_array().expect("rows").len(), many);
    assert_eq!(fixture.inspector().json(&["verify"])["verify"]["rows"], many);
}

#[tokio::test]
async fn status_and_devices_need_no_passphrase() {
    let (fixture, laptop) = Fixture::lived_in().await;
    let status = fixture.inspector().without("TIDELOG_PASSPHRASE").json(&["status"]);
    assert_eq!(status["status"]["total_changes"], 5);
    assert_eq!((&status["status"]["devices"], &status["status"]["key_version"]), (&json!(2), &json!(1)));
    let devices = fixture.inspector().without("TIDELOG_PASSPHRASE").json(&["devices"]);
    let names: Vec<&Value> =
        devices["devices"].as_array().expect("devices").iter().map(|device| &device["device"]).collect();
    assert_eq!(names, ["Laptop", "Phone"]);
    assert_eq!(devices["devices"][0]["device_id"], json!(laptop.id));
    assert_eq!(devices["devices"][0]["platform"], "linux");
}

#[tokio::test]
async fn an_honest_server_passes_verification() {
    let (fixture, _) = Fixture::lived_in().await;
    let found = &fixture.inspector().json(&["verify"])["verify"];
    assert_eq!((&found["clean"], &found["evidence"]), (&json!(true), &json!([])));
    assert_eq!((&found["entries"], &found["rows"]), (&json!(5), &json!(2)));
    let entries: u64 = found["streams"]
        .as_array()
        .expect("streams")
        .iter()
        .map(|stream| stream["entries"].as_u64().expect("a number"))
        .sum();
    assert_eq!(entries, 5, "two devices have written five entries");
}

#[tokio::test]
async fn an_unsealed_entry_is_quarantined_and_verify_exits_with_2() {
    let (fixture, laptop) = Fixture::lived_in().await;
    laptop.push_unsealed(&fixture.server, "1").await;

    let found = fixture.inspector().json(&["quarantined"]);
    let entry = &found["quarantined"][0];
    assert_eq!(
        (&entry["seq"], &entry["table"], &entry["row_id"], &entry["op"], &entry["device"]),
        (&json!(7), &json!("tasks"), &json!("1"), &json!("update"), &json!("Laptop"))
    );
    assert_eq!(entry["reason"], "data is too short to be sealed");

    let output = fixture.inspector().run(&["verify", "--json"]);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    let report = &output.json()["verify"];
    assert_eq!((&report["clean"], &report["evidence"][0]["kind"]), (&json!(false), &json!("altered")));
    assert_eq!(fixture.inspector().run(&[]).code, Some(2), "the overview verifies as well");
}

#[tokio::test]
async fn a_history_lists_entries_that_do_not_open_and_rows_warns_of_them() {
    let (fixture, laptop) = Fixture::lived_in().await;
    laptop.push_unsealed(&fixture.server, "1").await;
    let found = fixture.inspector().json(&["history", "tasks", "1"]);
    assert_eq!(found["history"].as_array().expect("entries").len(), 2);
    assert_eq!(found["quarantined"][0]["seq"], 7);
    let output = fixture.inspector().run(&["rows", "tasks", "--json"]);
    assert_eq!(output.json()["rows"][0]["value"]["title"], "Buy oat milk");
    assert!(output.stderr.contains("quarantined entries: 1"), "{}", output.stderr);
}

#[tokio::test]
async fn the_overview_combines_the_fields_of_the_commands() {
    let (fixture, _) = Fixture::lived_in().await;
    let found = fixture.inspector().json(&[]);
    for command in ["devices", "tables", "quarantined", "verify"] {
        assert_eq!(found[command], fixture.inspector().json(&[command])[command], "{command}");
    }
    assert_eq!(found["status"]["total_changes"], 5);
}

#[tokio::test]
async fn a_removed_device_is_shown_by_its_id() {
    let (fixture, laptop) = Fixture::lived_in().await;
    fixture
        .server
        .command(Command::Device(DeviceCommand::Revoke { device: laptop.id }))
        .await
        .expect("it goes");
    let found = fixture.inspector().json(&["history", "notes", "n"]);
    assert_eq!(found["history"][0]["device"], Value::Null);
    assert_eq!(found["history"][0]["device_id"], json!(laptop.id));
}
