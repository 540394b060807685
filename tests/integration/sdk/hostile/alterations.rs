//! Entries that were altered, moved, relabelled or made up do not open.

use std::sync::Arc;

use serde_json::{Value, json};
use tidelog_client::formats::FormatError;
use tidelog_client::{Evidence, MemoryStore, QuarantineReason};

use crate::hostile::scenario::{LEN, Reaction, Scenario, end_at, in_pages, row, seq_of};
use tidelog_test_kit::raw::RawClient;
use tidelog_test_kit::sdk::{PASSPHRASE, builder, config};

const DOES_NOT_OPEN: QuarantineReason = QuarantineReason::Unreadable(FormatError::DoesNotOpen);

/// The entries at these indices, and no others, were quarantined for this reason, and each is evidence of alteration.
async fn altered(scenario: &Scenario, reaction: &Reaction, indices: &[usize], reason: QuarantineReason) {
    let log = scenario.log().await;
    let seqs: Vec<_> = indices.iter().map(|index| seq_of(&log[*index])).collect();
    assert_eq!(reaction.quarantined(), seqs);
    assert_eq!(reaction.warned.changes.len(), log.len() - seqs.len());
    assert!(reaction.warned.quarantined.iter().all(|entry| entry.reason == reason), "{reaction:?}");
    assert_eq!(reaction.verified.quarantined, reaction.warned.quarantined);
    for seq in seqs {
        reaction.all_say(|evidence| *evidence == Evidence::Altered { seq, reason });
    }
}

/// How readers react to an entry with another value in this field.
async fn relabelled(index: usize, field: &'static str, value: Value) -> (Scenario, Reaction) {
    let scenario = Scenario::new().await;
    let reaction = scenario.reaction(in_pages(move |entries| entries[index][field] = value.clone())).await;
    (scenario, reaction)
}

fn swap(entries: &mut [Value], one: usize, other: usize, field: &str) {
    let kept = entries[one][field].take();
    entries[one][field] = std::mem::replace(&mut entries[other][field], kept);
}

#[tokio::test]
async fn the_data_of_two_rows_cannot_be_swapped() {
    let scenario = Scenario::new().await;
    let reaction = scenario.reaction(in_pages(|entries| swap(entries, 0, 1, "data"))).await;
    altered(&scenario, &reaction, &[0, 1], DOES_NOT_OPEN).await;
}

#[tokio::test]
async fn the_rows_of_two_entries_cannot_be_swapped() {
    let scenario = Scenario::new().await;
    let reaction = scenario.reaction(in_pages(|entries| swap(entries, 0, 1, "row_id"))).await;
    altered(&scenario, &reaction, &[0, 1], DOES_NOT_OPEN).await;
}

#[tokio::test]
async fn the_tables_of_two_entries_cannot_be_swapped() {
    let scenario = Scenario::new().await;
    let reaction = scenario.reaction(in_pages(|entries| swap(entries, 1, 2, "table"))).await;
    altered(&scenario, &reaction, &[1, 2], DOES_NOT_OPEN).await;
}

#[tokio::test]
async fn an_insert_cannot_be_made_an_update() {
    let (scenario, reaction) = relabelled(0, "op", json!("update")).await;
    altered(&scenario, &reaction, &[0], DOES_NOT_OPEN).await;
}

#[tokio::test]
async fn an_update_cannot_be_made_an_insert() {
    let (scenario, reaction) = relabelled(3, "op", json!("insert")).await;
    altered(&scenario, &reaction, &[3], DOES_NOT_OPEN).await;
}

#[tokio::test]
async fn an_update_cannot_be_made_a_delete_that_keeps_its_data() {
    let (scenario, reaction) = relabelled(3, "op", json!("delete")).await;
    altered(&scenario, &reaction, &[3], DOES_NOT_OPEN).await;
}

#[tokio::test]
async fn an_update_cannot_be_made_a_delete_without_data() {
    let scenario = Scenario::new().await;
    let reaction = scenario
        .reaction(in_pages(|entries| {
            entries[3]["op"] = json!("delete");
            entries[3]["data"] = Value::Null;
        }))
        .await;
    altered(&scenario, &reaction, &[3], QuarantineReason::Unsealed).await;
}

#[tokio::test]
async fn a_delete_cannot_be_made_an_update() {
    let (scenario, reaction) = relabelled(4, "op", json!("update")).await;
    altered(&scenario, &reaction, &[4], DOES_NOT_OPEN).await;
}

#[tokio::test]
async fn an_operation_cannot_be_invented() {
    let (scenario, reaction) = relabelled(3, "op", json!("truncate")).await;
    altered(&scenario, &reaction, &[3], QuarantineReason::UnknownOp).await;
}

#[tokio::test]
async fn the_timestamp_of_a_change_cannot_be_altered() {
    let (scenario, reaction) = relabelled(3, "timestamp", json!("2026-01-01T00:00:00Z")).await;
    altered(&scenario, &reaction, &[3], DOES_NOT_OPEN).await;
}

#[tokio::test]
async fn data_cannot_be_replaced_by_nothing_or_by_garbage() {
    let (scenario, reaction) = relabelled(0, "data", Value::Null).await;
    altered(&scenario, &reaction, &[0], QuarantineReason::Unsealed).await;
    let (scenario, reaction) = relabelled(0, "data", json!("no base64!")).await;
    altered(&scenario, &reaction, &[0], QuarantineReason::Unreadable(FormatError::NotBase64)).await;
    let (scenario, reaction) = relabelled(0, "data", json!("c2hvcnQ=")).await;
    altered(&scenario, &reaction, &[0], QuarantineReason::Unreadable(FormatError::TooShort)).await;
}

#[tokio::test]
async fn an_entry_cannot_be_labelled_with_a_made_up_key() {
    let (scenario, reaction) = relabelled(3, "key_version", json!(7)).await;
    let reason = QuarantineReason::Unreadable(FormatError::WrongKey { have: 1, want: 7 });
    altered(&scenario, &reaction, &[3], reason).await;
}

/// An entry under an older key may be of an abandoned vault, so it is no evidence by itself. That it is
/// missing from its stream is.
#[tokio::test]
async fn an_entry_that_is_labelled_with_a_lost_key_is_missed() {
    let (scenario, reaction) = relabelled(3, "key_version", json!(0)).await;
    let seqs: Vec<_> = scenario.log().await.iter().map(seq_of).collect();
    assert_eq!(reaction.quarantined(), [seqs[3]]);
    reaction.all_say(|evidence| {
        matches!(evidence, Evidence::Missing { expected: 3, found: 4, seq, .. } if *seq == seqs[4])
    });
}

#[tokio::test]
async fn a_delete_without_data_cannot_be_forged() {
    let scenario = Scenario::new().await;
    let last = seq_of(&scenario.log().await[LEN - 1]);
    let reaction = scenario
        .reaction(move |asked, answer| {
            in_pages(move |entries| {
                let mut forged = entries[0].clone();
                (forged["op"], forged["data"], forged["seq"]) =
                    (json!("delete"), Value::Null, json!(last + 1));
                entries.push(forged);
            })(asked, answer);
            if asked.path == "/pull" {
                end_at(answer, last + 1);
            }
        })
        .await;
    assert_eq!((reaction.quarantined(), reaction.warned.changes.len()), (vec![last + 1], LEN));
    reaction.is_exactly(&[Evidence::Altered { seq: last + 1, reason: QuarantineReason::Unsealed }]);
}

/// An entry that somebody else has sealed, in a slot that looks like one of this user.
async fn foreign_entry(scenario: &Scenario, client: &tidelog_client::SyncKitClient) {
    let device = client.register_device("elsewhere", "linux").await.unwrap();
    client.push(device.id, vec![row("tasks", "a", 666)]).await.unwrap();
    let theirs = RawClient::with_token_of(&scenario.fixture, client).entries(&device).await.remove(0);
    let reaction = scenario
        .reaction(in_pages(move |entries| {
            for field in ["table", "op", "row_id", "timestamp", "data", "key_version"] {
                entries[3][field] = theirs[field].clone();
            }
        }))
        .await;
    altered(scenario, &reaction, &[3], DOES_NOT_OPEN).await;
}

#[tokio::test]
async fn an_entry_of_another_user_does_not_open() {
    let scenario = Scenario::new().await;
    let other = scenario.fixture.other_user(&Arc::new(MemoryStore::new())).await;
    other.setup_encryption_new(PASSPHRASE).await.unwrap();
    foreign_entry(&scenario, &other).await;
}

#[tokio::test]
async fn an_entry_of_the_same_user_in_another_app_does_not_open() {
    use tidelog::server::commands::{AppCommand, Command};

    let scenario = Scenario::new().await;
    let server = &scenario.fixture.server;
    let app = server.command(Command::App(AppCommand::Create { name: "another".into() })).await.unwrap();
    let there = builder(config(server.url(), app["api_key"].as_str().unwrap())).build();
    there.authenticate(server.email(), server.password()).await.unwrap();
    there.setup_encryption_new(PASSPHRASE).await.unwrap();
    foreign_entry(&scenario, &there).await;
}
