//! What the server sees of names and lengths, in apps that hide them.

use serde_json::json;
use tidelog_client::{Padding, PullFilter, Rotation};

use tidelog_test_kit::raw::RawClient;
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE, builder, insert, pull_all, task};

#[tokio::test]
async fn a_vault_with_hidden_names_shows_the_server_pseudonyms_only() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in_with(builder(fixture.config()).hide_names()).await;
    client.setup_encryption_new(PASSPHRASE).await.unwrap();
    let device = client.register_device("laptop", "linux").await.unwrap();
    let changes = vec![task("secret-row"), insert("diagnoses", "secret-row", json!(1)), task("secret-row")];
    client.push(device.id, changes).await.unwrap();

    let entries = RawClient::with_token_of(&fixture, &client).entries(&device).await;
    let seen = serde_json::to_string(&entries).unwrap();
    assert!(!seen.contains("tasks") && !seen.contains("diagnoses") && !seen.contains("secret-row"));
    assert_eq!(entries[0]["table"], entries[2]["table"], "the same row has the same stand-in");
    assert_eq!(entries[0]["row_id"], entries[2]["row_id"]);
    assert_ne!(entries[0]["row_id"], entries[1]["row_id"], "in another table it is another row");

    // Other devices learn from the envelope that names are hidden, and filters use the app's names.
    let (other, phone) = fixture.device("phone").await;
    other.push(phone.id, vec![insert("diagnoses", "another", json!(2))]).await.unwrap();
    let filter = PullFilter { tables: Some(vec!["diagnoses".into()]), ..PullFilter::default() };
    let (found, _, _) = client.pull_filtered(device.id, 0, filter).await.unwrap();
    let rows: Vec<_> = found.iter().map(|change| (change.table.as_str(), change.row_id.as_str())).collect();
    assert_eq!(rows, [("diagnoses", "secret-row"), ("diagnoses", "another")]);
    assert!(client.verify(device.id).await.unwrap().is_clean());

    client.rotate_key(PASSPHRASE, Rotation::Compromise, |_| {}).await.unwrap();
    assert_eq!(pull_all(&client, &device).await.len(), 4);
    assert_eq!((client.quarantined(), client.evidence()), (0, Vec::new()));
}

#[tokio::test]
async fn padding_makes_similar_lengths_equal_and_can_be_switched_off() {
    let fixture = Fixture::new().await;
    let padded = fixture.signed_in().await;
    padded.setup_encryption_new(PASSPHRASE).await.unwrap();
    let device = padded.register_device("laptop", "linux").await.unwrap();
    let bare = fixture.signed_in_with(builder(fixture.config()).padding(Padding::Off)).await;
    bare.setup_encryption_existing(PASSPHRASE).await.unwrap();
    let other = bare.register_device("phone", "linux").await.unwrap();
    let of_length = |length: usize| vec![insert("notes", "1", json!("x".repeat(length)))];
    for length in [1_000, 1_003] {
        padded.push(device.id, of_length(length)).await.unwrap();
        bare.push(other.id, of_length(length)).await.unwrap();
    }
    let entries = RawClient::with_token_of(&fixture, &padded).entries(&device).await;
    let lengths: Vec<_> = entries.iter().map(|entry| entry["data"].as_str().unwrap().len()).collect();
    assert!(lengths[1] < lengths[3], "without padding every byte shows: {lengths:?}");
    // The second entries have a head, which has the same length in both.
    assert!(lengths[0] > lengths[1] && lengths[2] > lengths[3]);
    assert_eq!(pull_all(&bare, &other).await.len(), 4);
}
