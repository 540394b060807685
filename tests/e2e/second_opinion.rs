//! The SDK and an independent implementation of the formats, in Python, read what the other has sealed in the same log.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tidelog_client::ChangeOp;

use tidelog_test_kit::raw::RawClient;
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE, first_page, task};

/// Runs `tests/wire/formats.py` and returns the lines that it prints.
fn python(command: &str, request: &Value) -> Vec<Value> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let interpreter = root.join(".venv/bin/python");
    assert!(interpreter.exists(), "the Python packages are missing: run scripts/test once");
    let mut child = Command::new(interpreter)
        .arg(root.join("tests/wire/formats.py"))
        .arg(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn another_language_computes_the_same_golden_vectors() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let check = Command::new(root.join(".venv/bin/python"))
        .arg(root.join("tests/wire/formats.py"))
        .arg("check")
        .arg(root.join("protocol/vectors"))
        .output()
        .expect("scripts/test has installed Python");
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

#[tokio::test]
async fn entries_sealed_by_the_sdk_open_in_another_language() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let mut gone = task("ü/2");
    (gone.op, gone.data) = (ChangeOp::Delete, None);
    client.push(device.id, vec![task("1"), gone]).await.unwrap();
    client.push(device.id, vec![task("3")]).await.unwrap();

    let raw = RawClient::with_token_of(&fixture, &client);
    let request = json!({
        "envelope_b64": raw.envelope().await,
        "passphrase": PASSPHRASE,
        "entries": raw.entries(&device).await,
    });
    let opened = python("open", &request);

    let said: Vec<_> = opened.iter().map(|entry| (&entry["kind"], &entry["payload"])).collect();
    let task = |title: &str| json!(json!({ "title": title }).to_string());
    let (value, tombstone) = (json!("value"), json!("tombstone"));
    assert_eq!(said, [(&value, &task("task 1")), (&tombstone, &json!("")), (&value, &task("task 3"))]);
    let counters: Vec<_> = opened.iter().map(|entry| entry["counter"].as_u64().unwrap()).collect();
    assert_eq!(counters, [0, 1, 2], "one stream across pushes");
    assert!(
        opened.windows(2).all(|pair| pair[1]["prev"] == pair[0]["link"]),
        "each holds the link before it"
    );
}

#[tokio::test]
async fn entries_sealed_in_another_language_open_in_the_sdk() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let raw = RawClient::with_token_of(&fixture, &client);
    let change = |op: &str, payload: Value| json!({ "table": "tasks", "op": op, "row_id": "ü/1", "timestamp": "2026-03-13T10:00:00.123456Z", "payload": payload });
    let request = json!({
        "envelope_b64": raw.envelope().await,
        "passphrase": PASSPHRASE,
        "changes": [change("insert", json!(r#"{"title":"from elsewhere"}"#)), change("delete", Value::Null)],
    });
    let mut sealed = python("seal", &request);
    sealed.pop().expect("the stream's state comes last");
    raw.push(&device, Value::Array(sealed)).await;

    let page = first_page(&client, device.id).await;
    assert_eq!(page.quarantined, []);
    let said: Vec<_> =
        page.changes.iter().map(|change| (change.entry.op, change.entry.data.clone())).collect();
    assert_eq!(
        said,
        [(ChangeOp::Insert, Some(json!({ "title": "from elsewhere" }))), (ChangeOp::Delete, None)]
    );
}
