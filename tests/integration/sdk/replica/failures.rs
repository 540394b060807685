//! What a replica does when something goes wrong: no change is lost, and no problem holds up anything else.

use serde_json::json;
use tidelog::server::commands::{Command, DeviceCommand};
use tidelog_client::replica::{ProblemKind, ReplicaError};
use tidelog_client::{BlockReason, Rotation, SyncKitError};

use crate::replica::setup::{Installation, sync_all};
use tidelog_test_kit::proxy::{ExchangeOutcome, JsonRequest, JsonResponse, Proxy};
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE, builder, config};

const TODOS: &str =
    "CREATE TABLE todos (id TEXT PRIMARY KEY, title TEXT NOT NULL CHECK (title <> 'forbidden'));";

/// Two devices, the second one behind a proxy.
async fn pair(fixture: &Fixture) -> (Installation, Installation, Proxy) {
    let laptop = Installation::new(fixture, "laptop", TODOS, ["todos"]).await;
    laptop.sync().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let client = builder(config(proxy.url(), fixture.server.api_key())).retries(0).build();
    client.authenticate(fixture.server.email(), fixture.server.password()).await.unwrap();
    client.setup_encryption_new(PASSPHRASE).await.unwrap();
    let device = client.register_device("phone", "linux").await.unwrap();
    let phone = Installation::with(client, device, TODOS, ["todos"]);
    phone.sync().await;
    (laptop, phone, proxy)
}

fn refuse(response: &mut JsonResponse, status: u16, code: &str) {
    (response.status, response.body) = (status, json!({"error": "refused", "code": code}));
}

fn titles(installation: &Installation) -> Vec<String> {
    installation.texts("SELECT title FROM todos ORDER BY id")
}

#[tokio::test]
async fn a_push_whose_response_is_lost_is_in_the_log_once_even_after_a_restart() {
    let fixture = Fixture::new().await;
    let (laptop, mut phone, proxy) = pair(&fixture).await;
    phone.run("INSERT INTO todos VALUES ('a', 'once')");
    proxy.set_outcome_for("/push", ExchangeOutcome::LoseResponse);
    assert!(matches!(phone.try_sync().await, Err(ReplicaError::Sync(SyncKitError::Network(_)))));
    phone.attach_again(["todos"]).unwrap();
    phone.run("UPDATE todos SET title = 'twice'");
    sync_all(&[&phone, &laptop]).await;
    assert_eq!(titles(&laptop), ["twice"]);
    assert_eq!(phone.client.status().await.unwrap().total_changes, 2);
    assert_eq!(phone.client.verify(phone.device.id).await.unwrap().evidence, []);
}

#[tokio::test]
async fn a_row_that_is_replaced_before_its_push_is_acknowledged_is_deleted_everywhere() {
    let fixture = Fixture::new().await;
    let schema = "CREATE TABLE todos (id TEXT PRIMARY KEY, title TEXT UNIQUE);";
    let laptop = Installation::new(&fixture, "laptop", schema, ["todos"]).await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let client = builder(config(proxy.url(), fixture.server.api_key())).retries(0).build();
    client.authenticate(fixture.server.email(), fixture.server.password()).await.unwrap();
    client.setup_encryption_new(PASSPHRASE).await.unwrap();
    let device = client.register_device("phone", "linux").await.unwrap();
    let phone = Installation::with(client, device, schema, ["todos"]);
    phone.run("INSERT INTO todos VALUES ('a', 'same')");
    proxy.set_outcome_for("/push", ExchangeOutcome::LoseResponse);
    phone.try_sync().await.unwrap_err();
    phone.run("INSERT OR REPLACE INTO todos VALUES ('b', 'same')");
    sync_all(&[&phone, &laptop]).await;
    for device in [&phone, &laptop] {
        assert_eq!(device.texts("SELECT id FROM todos"), ["b"]);
    }
}

#[tokio::test]
async fn a_push_that_never_arrived_loses_against_a_later_write_of_another_device() {
    let fixture = Fixture::new().await;
    let (laptop, phone, proxy) = pair(&fixture).await;
    phone.run("INSERT INTO todos VALUES ('a', 'phone')");
    proxy.set_outcome_for("/push", ExchangeOutcome::LoseRequest);
    phone.try_sync().await.unwrap_err();
    laptop.wait_until_later_than(&phone);
    laptop.run("INSERT INTO todos VALUES ('a', 'laptop')");
    laptop.sync().await;
    sync_all(&[&phone, &laptop]).await;
    assert_eq!((titles(&phone), titles(&laptop)), (vec!["laptop".to_owned()], vec!["laptop".to_owned()]));
    assert_eq!(phone.client.status().await.unwrap().total_changes, 1);
}

#[tokio::test]
async fn a_removed_device_keeps_its_changes_and_continues_as_a_new_one() {
    let fixture = Fixture::new().await;
    let (laptop, phone, _proxy) = pair(&fixture).await;
    phone.run("INSERT INTO todos VALUES ('a', 'kept')");
    fixture.server.command(Command::Device(DeviceCommand::Revoke { device: phone.device.id })).await.unwrap();
    assert!(phone.try_sync().await.is_err());
    phone.client.authenticate(fixture.server.email(), fixture.server.password()).await.unwrap();
    let refused = phone.try_sync().await;
    assert!(matches!(refused, Err(ReplicaError::Sync(SyncKitError::DeviceRevoked))), "{refused:?}");
    let anew = phone.client.register_device("phone", "linux").await.unwrap();
    phone.replica.sync(&phone.client, anew.id).await.unwrap();
    laptop.sync().await;
    assert_eq!(titles(&laptop), ["kept"]);
}

#[tokio::test]
async fn a_full_quota_blocks_pushes_but_not_pulls() {
    let fixture = Fixture::new().await;
    let (laptop, phone, proxy) = pair(&fixture).await;
    proxy.rewrite_json(|request: &JsonRequest, response: &mut JsonResponse| {
        if request.path == "/push" {
            refuse(response, 402, "quota_exceeded");
        }
    });
    // The proxy forwards the push before it replaces the response, so the later push is a repeat.
    phone.run("INSERT INTO todos VALUES ('b', 'phone')");
    laptop.run("INSERT INTO todos VALUES ('a', 'laptop')");
    laptop.sync().await;
    let refused = phone.try_sync().await;
    assert!(matches!(refused, Err(ReplicaError::Sync(SyncKitError::QuotaExceeded))), "{refused:?}");
    assert_eq!(titles(&phone), ["laptop", "phone"]);
    proxy.stop_rewriting();
    sync_all(&[&phone, &laptop]).await;
    assert_eq!(titles(&laptop), ["laptop", "phone"]);
}

#[tokio::test]
async fn a_missing_membership_is_reported_and_loses_no_changes() {
    let fixture = Fixture::new().await;
    let (laptop, phone, proxy) = pair(&fixture).await;
    proxy.rewrite_json(|request: &JsonRequest, response: &mut JsonResponse| {
        if request.path == "/push" || request.path == "/pull" {
            refuse(response, 403, "membership_required");
        }
    });
    phone.run("INSERT INTO todos VALUES ('a', 'kept')");
    let refused = phone.try_sync().await;
    assert!(matches!(refused, Err(ReplicaError::Sync(SyncKitError::MembershipRequired))), "{refused:?}");
    proxy.stop_rewriting();
    sync_all(&[&phone, &laptop]).await;
    assert_eq!(titles(&laptop), ["kept"]);
}

#[tokio::test]
async fn a_row_that_is_too_large_is_set_aside_and_sent_once_it_fits() {
    let fixture = Fixture::new().await;
    let (laptop, phone, _proxy) = pair(&fixture).await;
    phone.run("INSERT INTO todos VALUES ('big', hex(zeroblob(1000000))), ('small', 'fits')");
    sync_all(&[&phone, &laptop]).await;
    assert_eq!(titles(&laptop), ["fits"]);
    let problems = phone.problems().await;
    assert_eq!((problems.len(), problems[0].kind), (1, ProblemKind::NotPushed));
    assert_eq!((problems[0].table.as_str(), problems[0].row.as_str()), ("todos", "'big'"));
    phone.run("UPDATE todos SET title = 'shorter' WHERE id = 'big'");
    sync_all(&[&phone, &laptop]).await;
    assert_eq!(titles(&laptop), ["shorter", "fits"]);
    assert_eq!(phone.problems().await, []);
}

#[tokio::test]
async fn a_row_whose_key_is_too_long_for_the_wire_is_set_aside() {
    let fixture = Fixture::new().await;
    let (laptop, phone, _proxy) = pair(&fixture).await;
    phone.run("INSERT INTO todos VALUES (printf('%.300c', 'x'), 'long key'), ('short', 'short key')");
    sync_all(&[&phone, &laptop]).await;
    assert_eq!(titles(&laptop), ["short key"]);
    assert_eq!(phone.problems().await[0].kind, ProblemKind::NotPushed);
}

#[tokio::test]
async fn a_row_that_the_other_database_rejects_waits_and_holds_up_nothing() {
    let fixture = Fixture::new().await;
    let (_, phone, _proxy) = pair(&fixture).await;
    let lenient = TODOS.replace("CHECK (title <> 'forbidden')", "");
    let laptop = Installation::new(&fixture, "lenient", &lenient, ["todos"]).await;
    laptop.run("INSERT INTO todos VALUES ('a', 'forbidden'), ('b', 'allowed')");
    sync_all(&[&laptop, &phone]).await;
    assert_eq!(titles(&phone), ["allowed"]);
    let problems = phone.problems().await;
    assert_eq!((problems.len(), problems[0].kind), (1, ProblemKind::NotApplied), "{problems:?}");
    laptop.run("UPDATE todos SET title = 'better' WHERE id = 'a'");
    sync_all(&[&laptop, &phone]).await;
    assert_eq!(titles(&phone), ["better", "allowed"]);
    assert_eq!(phone.problems().await, []);
}

#[tokio::test]
async fn an_entry_that_cannot_be_decrypted_is_skipped_and_reported() {
    let fixture = Fixture::new().await;
    let (laptop, phone, proxy) = pair(&fixture).await;
    laptop.run("INSERT INTO todos VALUES ('a', 'altered in transit'), ('b', 'unaltered')");
    laptop.sync().await;
    proxy.rewrite_json(|request: &JsonRequest, response: &mut JsonResponse| {
        if request.path == "/pull" && response.body["changes"][0].is_object() {
            response.body["changes"][0]["row_id"] = json!("'other'");
        }
    });
    phone.sync().await;
    assert_eq!(titles(&phone), ["unaltered"]);
    let problems = phone.problems().await;
    assert_eq!((problems[0].kind, problems[0].row.as_str()), (ProblemKind::Unreadable, "'other'"));
    phone.replica.dismiss_problems().await.unwrap();
    assert_eq!(phone.problems().await, []);
}

#[tokio::test]
async fn a_cursor_older_than_a_compacted_deletion_rebuilds_and_deletes_the_rows_that_are_gone() {
    let fixture = Fixture::new().await;
    let (laptop, phone, proxy) = pair(&fixture).await;
    laptop.run("INSERT INTO todos VALUES ('a', 'stays'), ('b', 'goes'), ('c', 'edited here')");
    sync_all(&[&laptop, &phone]).await;
    laptop.run("DELETE FROM todos WHERE id IN ('b', 'c')");
    laptop.sync().await;
    phone
        .run("UPDATE todos SET title = 'edited'  WHERE id = 'c'; INSERT INTO todos VALUES ('d', 'new here')");
    // The log without the two rows and their deletions, as a server returns it after removing superseded entries.
    let mut reported = false;
    proxy.rewrite_json(move |request: &JsonRequest, response: &mut JsonResponse| {
        if request.path != "/pull" {
            return;
        }
        if !std::mem::replace(&mut reported, true) {
            return refuse(response, 409, "log_compacted");
        }
        if let Some(entries) = response.body["changes"].as_array_mut() {
            entries.retain(|entry| {
                entry["row_id"] != "'b'" && (entry["row_id"] != "'c'" || entry["op"] == "update")
            });
            response.body["compacted_through"] = response.body["cursor"]
                .as_str()
                .unwrap()
                .split('-')
                .next()
                .unwrap()
                .parse::<i64>()
                .unwrap()
                .into();
        }
    });
    phone.sync().await;
    assert_eq!(titles(&phone), ["stays", "edited", "new here"]);
    proxy.stop_rewriting();
    sync_all(&[&laptop, &phone]).await;
    assert_eq!(titles(&laptop), ["stays", "edited", "new here"]);
}

#[tokio::test]
async fn after_a_routine_rotation_devices_continue_without_the_passphrase() {
    let fixture = Fixture::new().await;
    let (laptop, phone, _proxy) = pair(&fixture).await;
    laptop.run("INSERT INTO todos VALUES ('a', 'before')");
    sync_all(&[&laptop, &phone]).await;
    phone.run("INSERT INTO todos VALUES ('b', 'unsent')");
    laptop.client.rotate_key(PASSPHRASE, Rotation::Routine, |_| {}).await.unwrap();
    laptop.run("INSERT INTO todos VALUES ('c', 'after')");
    sync_all(&[&phone, &laptop, &phone]).await;
    assert_eq!(titles(&phone), ["before", "unsent", "after"]);
    assert_eq!(titles(&laptop), titles(&phone));
}

#[tokio::test]
async fn after_a_compromise_the_passphrase_is_required_and_local_changes_are_kept() {
    let fixture = Fixture::new().await;
    let (laptop, phone, proxy) = pair(&fixture).await;
    laptop.run("INSERT INTO todos VALUES ('a', 'before')");
    sync_all(&[&laptop, &phone]).await;
    phone.run("INSERT INTO todos VALUES ('b', 'sealed, but never arrived')");
    proxy.set_outcome_for("/push", ExchangeOutcome::LoseRequest);
    phone.try_sync().await.unwrap_err();
    laptop.client.rotate_key(PASSPHRASE, Rotation::Compromise, |_| {}).await.unwrap();
    phone.run("INSERT INTO todos VALUES ('c', 'written while blocked')");
    for _ in 0..2 {
        let blocked = phone.try_sync().await;
        let reason = BlockReason::PassphraseNeeded;
        assert!(
            matches!(blocked, Err(ReplicaError::Sync(SyncKitError::Blocked(found))) if found == reason),
            "{blocked:?}"
        );
    }
    phone.client.setup_encryption_existing(PASSPHRASE).await.unwrap();
    sync_all(&[&phone, &laptop]).await;
    assert_eq!(titles(&laptop), ["before", "sealed, but never arrived", "written while blocked"]);
}

#[tokio::test]
async fn a_proxy_that_rejects_large_requests_gets_smaller_ones() {
    let fixture = Fixture::new().await;
    let (laptop, phone, proxy) = pair(&fixture).await;
    proxy.rewrite_json(|request: &JsonRequest, response: &mut JsonResponse| {
        let changes = request.body["changes"].as_array().map_or(0, Vec::len);
        if request.path == "/push" && changes > 30 && response.status == 200 {
            refuse(response, 413, "too_large");
        }
    });
    phone.run(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
         INSERT INTO todos SELECT i, 'title ' || i FROM n",
    );
    sync_all(&[&phone, &laptop]).await;
    let all = "SELECT * FROM todos ORDER BY id";
    assert_eq!(laptop.query(all), phone.query(all));
    assert_eq!(phone.problems().await, []);
}

#[tokio::test]
async fn a_clock_that_is_years_ahead_does_not_win_forever_and_does_not_move_other_clocks() {
    let fixture = Fixture::new().await;
    let (laptop, phone, _proxy) = pair(&fixture).await;
    phone.run("INSERT INTO todos VALUES ('a', 'from the future')");
    // As if this machine's clock showed the year 2100.
    phone.run("UPDATE tidelog_insert_buffer SET timestamp = 4102444800000000");
    sync_all(&[&phone, &laptop]).await;
    assert_eq!(titles(&laptop), ["from the future"]);
    let is_near = laptop.query("SELECT timestamp < 4000000000000000 FROM tidelog_clock");
    assert_eq!(is_near, laptop.query("SELECT 1"));
    laptop.run("UPDATE todos SET title = 'from now'");
    sync_all(&[&laptop, &phone]).await;
    assert_eq!(titles(&phone), ["from now"]);
}
