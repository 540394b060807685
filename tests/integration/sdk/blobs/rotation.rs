//! Rotation: the keys of blobs are wrapped again, the blobs and their names stay.

use serde_json::json;
use tidelog_client::{BlobError, Rotation, SyncKitError};

use super::scenario::{Scenario, content, get};
use tidelog_test_kit::raw::RawClient;
use tidelog_test_kit::sdk::{PASSPHRASE, tasks};

#[tokio::test]
async fn after_a_rotation_every_name_still_opens_its_file() {
    let scenario = Scenario::new().await;
    let device = scenario.client.register_device("laptop", "linux").await.unwrap();
    scenario.client.push(device.id, tasks(3)).await.unwrap();
    let mut hashes = Vec::new();
    for size in 0..5 {
        hashes.push(scenario.put(&content(size)).await.hash);
    }
    hashes.push(scenario.client.blob_upload(content(5)).await.unwrap());
    let phone = scenario.another_device().await;
    for (mode, version) in [(Rotation::Routine, 2), (Rotation::Compromise, 3)] {
        scenario.proxy.take_transfers();
        let outcome = scenario.client.rotate_key(PASSPHRASE, mode, |_| {}).await.unwrap();
        assert_eq!((outcome.key_version, outcome.resealed, outcome.blobs_rewrapped), (version, 3, 6));
        assert_eq!((outcome.kept, outcome.blobs_kept), (0, 0));
        assert!(
            scenario.proxy.take_transfers().iter().all(|it| it.method != "PUT"),
            "no byte of a blob has moved"
        );
        for (size, hash) in hashes.iter().enumerate() {
            assert_eq!(scenario.get(hash).await, content(size));
        }
        let newcomer = scenario.another_device().await;
        assert_eq!(get(&newcomer, &hashes[3], &scenario.path("newcomer")).await, content(3));
        if mode == Rotation::Routine {
            assert_eq!(get(&phone, &hashes[3], &scenario.path("phone")).await, content(3));
        } else {
            let blocked = phone.get_blob(&hashes[3], scenario.path("phone"), |_| {}).await;
            assert!(matches!(blocked, Err(SyncKitError::Blocked(_))), "{blocked:?}");
            phone.setup_encryption_existing(PASSPHRASE).await.unwrap();
            assert_eq!(get(&phone, &hashes[3], &scenario.path("phone")).await, content(3));
        }
        // The same file is still the same blob.
        assert_eq!(scenario.put(&content(4)).await.hash, hashes[4]);
    }
    assert!(scenario.is_tidy());
}

#[tokio::test]
async fn a_rotation_rewraps_keys_of_blobs_page_by_page_and_reports_its_progress() {
    let scenario = Scenario::new().await;
    // A server with limits so low that two keys fill a batch.
    scenario.proxy.rewrite(|asked, answer| {
        if asked.path.ends_with("/limits") {
            answer.alter(|limits| limits["max_body_bytes"] = 512.into());
        }
    });
    let mut hashes = Vec::new();
    for size in 0..5 {
        hashes.push(scenario.put(&content(size)).await.hash);
    }
    let mut seen = Vec::new();
    let progress = |it: tidelog_client::RotationProgress| seen.push((it.blobs_done, it.blobs_total));
    scenario.client.rotate_key(PASSPHRASE, Rotation::Routine, progress).await.unwrap();
    // The first report is that of the entries.
    assert_eq!(seen, [(0, 0), (2, 5), (4, 5), (5, 5)]);
    for (size, hash) in hashes.iter().enumerate() {
        assert_eq!(scenario.get(hash).await, content(size));
    }
}

#[tokio::test]
#[ignore = "makes ten thousand blobs, which takes minutes"]
async fn ten_thousand_keys_of_blobs_are_rewrapped() {
    const BLOBS: usize = 10_000;

    let scenario = Scenario::new().await;
    let client = scenario.another_device().await;
    let mut hashes = Vec::new();
    for number in 0..BLOBS {
        hashes.push(client.blob_upload(number.to_le_bytes()).await.unwrap());
    }
    let began = std::time::Instant::now();
    let outcome = scenario.client.rotate_key(PASSPHRASE, Rotation::Compromise, |_| {}).await.unwrap();
    println!("rotated in {:?}", began.elapsed());
    assert_eq!((outcome.blobs_rewrapped, outcome.blobs_kept), (BLOBS as u64, 0));
    assert!(scenario.proxy.take_transfers().is_empty(), "no byte of a blob has moved");
    for (number, hash) in hashes.iter().enumerate() {
        let url = scenario.client.blob_download_url(hash).await.unwrap();
        assert_eq!(scenario.client.blob_download(&url).await.unwrap(), number.to_le_bytes());
    }
}

#[tokio::test]
async fn a_blob_key_that_does_not_open_is_kept_and_blocks_nothing() {
    let scenario = Scenario::new().await;
    let good = scenario.put(&content(10)).await.hash;
    let other = scenario.put(&content(20)).await.hash;
    let raw = RawClient::with_token_of(&scenario.fixture, &scenario.client);
    // A blob with another one's wrapped key, and one with garbage.
    let foreign = raw.wrapped_key(&other).await;
    let mut bad = Vec::new();
    for (bytes, wrapped) in [("one", foreign), ("two", data_encoding::BASE64.encode(&[7; 72]))] {
        bad.push(raw.put_blob(bytes.as_bytes(), json!({ "wrapped_key": wrapped, "key_version": 1 })).await);
    }
    let outcome = scenario.client.rotate_key(PASSPHRASE, Rotation::Compromise, |_| {}).await.unwrap();
    assert_eq!((outcome.blobs_rewrapped, outcome.blobs_kept), (2, 2));
    assert_eq!(scenario.get(&good).await, content(10));
    for hash in bad {
        let refused = scenario.client.get_blob(&hash, scenario.path("bad"), |_| {}).await;
        assert!(
            matches!(refused, Err(SyncKitError::BadBlob(BlobError::WrongKey { have: 2, want: 1 }))),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn an_upload_by_a_device_that_missed_a_rotation_is_under_the_new_key() {
    let scenario = Scenario::new().await;
    let phone = scenario.another_device().await;
    phone.put_blob(std::io::Cursor::new(content(1)), |_| {}).await.unwrap();
    scenario.client.rotate_key(PASSPHRASE, Rotation::Routine, |_| {}).await.unwrap();
    let blob = phone.put_blob(std::io::Cursor::new(content(2)), |_| {}).await.unwrap();
    assert_eq!(scenario.get(&blob.hash).await, content(2));
    let url = scenario.client.blob_download_url(&blob.hash).await.unwrap();
    assert!(url.contains("#tidelog=2."), "sealed under the current key");
}
