//! Files, uploaded to a real server and downloaded from it.

mod changing;
mod original;
mod resuming;
mod rotation;
pub(crate) mod scenario;

use scenario::{Scenario, content, get, names};
use tidelog_client::{BlobStage, SyncKitError};

const CHUNK: usize = 64 * 1024;

#[tokio::test]
async fn a_file_of_any_size_comes_back_as_it_was() {
    let scenario = Scenario::new().await;
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3_000_000] {
        let blob = scenario.put(&content(size)).await;
        assert_eq!(blob.size, size as u64);
        assert_eq!(scenario.get(&blob.hash).await, content(size), "{size} bytes");
    }
    assert!(scenario.is_tidy());
}

#[tokio::test]
async fn every_device_of_the_user_and_nobody_else_can_download_a_file() {
    let scenario = Scenario::new().await;
    let blob = scenario.put(&content(100_000)).await;
    let phone = scenario.another_device().await;
    assert_eq!(get(&phone, &blob.hash, &scenario.path("phone")).await, content(100_000));
    let stranger = scenario.another_user().await;
    let refused = stranger.get_blob(&blob.hash, scenario.path("stranger"), |_| {}).await;
    assert!(matches!(refused, Err(SyncKitError::NotFound)), "{refused:?}");
    assert!(scenario.is_tidy());
}

#[tokio::test]
async fn the_same_file_is_uploaded_once() {
    let scenario = Scenario::new().await;
    let first = scenario.put(&content(100_000)).await;
    assert_eq!(scenario.proxy.take_transfers().len(), 1);
    let second = scenario.put(&content(100_000)).await;
    assert_eq!((second, scenario.proxy.take_transfers().len()), (first.clone(), 0));
    let path = scenario.path("a file");
    std::fs::write(&path, content(100_000)).unwrap();
    let from_phone = scenario.another_device().await.put_blob_file(&path, |_| {}).await.unwrap();
    assert_eq!(from_phone, first);
    assert_eq!(scenario.client.list_blobs(None).await.unwrap().blobs.len(), 1);
}

#[tokio::test]
async fn equal_files_of_two_users_have_nothing_in_common() {
    let scenario = Scenario::new().await;
    let ours = scenario.put(&content(1_000)).await;
    let stranger = scenario.another_user().await;
    let theirs = stranger.put_blob(std::io::Cursor::new(content(1_000)), |_| {}).await.unwrap();
    assert_ne!(ours.hash, theirs.hash);
}

#[tokio::test]
async fn bytes_are_sent_sealed_and_without_the_token() {
    let scenario = Scenario::new().await;
    let secret = b"a line that nobody else may read. ".repeat(10_000);
    let blob = scenario.put(&secret).await;
    scenario.get(&blob.hash).await;
    let asked = scenario.proxy.take_transfers();
    assert_eq!(asked.iter().map(|it| it.method.as_str()).collect::<Vec<_>>(), ["PUT", "GET", "GET"]);
    for request in &asked {
        assert_eq!(request.header("authorization"), None);
        assert!(!request.path.contains(&blob.hash), "an address does not tell which blob it is of");
    }
    let token = scenario.client.session_info().unwrap().token.clone();
    let sent = &asked[0].body;
    for part in [b"nobody else".as_slice(), token.as_bytes()] {
        assert!(!sent.windows(part.len()).any(|window| window == part));
    }
    assert!(sent.starts_with(b"TIDEBLB1"));
}

#[tokio::test]
async fn progress_is_reported_stage_by_stage_to_the_end() {
    let scenario = Scenario::new().await;
    let mut seen = Vec::new();
    let reader = std::io::Cursor::new(content(2_500_000));
    let blob = scenario.client.put_blob(reader, |progress| seen.push(progress)).await.unwrap();
    scenario.client.get_blob(&blob.hash, scenario.path("got"), |progress| seen.push(progress)).await.unwrap();
    let stages = [BlobStage::Hashing, BlobStage::Sealing, BlobStage::Sending, BlobStage::Receiving];
    for stage in stages {
        let of_stage: Vec<_> = seen.iter().filter(|progress| progress.stage == stage).collect();
        assert!(of_stage.is_sorted_by_key(|progress| progress.done), "{seen:?}");
        assert!(of_stage.iter().all(|progress| progress.done <= progress.total), "{seen:?}");
        let last = of_stage.last().unwrap();
        assert!(last.total >= 2_500_000 && last.done == last.total, "{seen:?}");
    }
}

#[tokio::test]
async fn an_existing_file_is_replaced_atomically_and_kept_on_failure() {
    let scenario = Scenario::new().await;
    let blob = scenario.put(&content(100_000)).await;
    let path = scenario.path("mine");
    std::fs::write(&path, "what was there").unwrap();
    let missing = scenario.client.get_blob(&"0".repeat(64), &path, |_| {}).await;
    assert!(matches!(missing, Err(SyncKitError::NotFound)));
    assert_eq!(std::fs::read(&path).unwrap(), b"what was there");
    scenario.client.get_blob(&blob.hash, &path, |_| {}).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content(100_000));
    assert_eq!(names(scenario.files.path()), ["mine"]);
}

#[tokio::test]
async fn blobs_are_listed_in_pages_and_deleted_by_hash() {
    let scenario = Scenario::new().await;
    let mut hashes = Vec::new();
    for size in 0..3 {
        hashes.push(scenario.put(&content(size)).await.hash);
    }
    hashes.sort();
    let listed = scenario.client.list_blobs(None).await.unwrap();
    assert_eq!(
        listed.blobs.iter().map(|blob| &blob.hash).collect::<Vec<_>>(),
        hashes.iter().collect::<Vec<_>>()
    );
    let rest = scenario.client.list_blobs(Some(&hashes[1])).await.unwrap();
    assert_eq!((rest.blobs.len(), rest.has_more), (1, false));
    assert_eq!(rest.blobs[0].hash, hashes[2]);
    scenario.client.delete_blob(&hashes[0]).await.unwrap();
    let gone = scenario.client.get_blob(&hashes[0], scenario.path("gone"), |_| {}).await;
    assert!(matches!(gone, Err(SyncKitError::NotFound)), "{gone:?}");
    assert!(matches!(scenario.client.delete_blob(&hashes[0]).await, Err(SyncKitError::NotFound)));
    assert_eq!(scenario.client.list_blobs(None).await.unwrap().blobs.len(), 2);
}

#[tokio::test]
async fn an_invalid_hash_is_never_sent() {
    let scenario = Scenario::new().await;
    let upper = "A".repeat(64);
    for hash in ["", "../../devices", "0", &"0".repeat(63), &"0".repeat(65), &upper, &"é".repeat(32)] {
        let refused = [
            scenario.client.get_blob(hash, scenario.path("x"), |_| {}).await.map(drop),
            scenario.client.delete_blob(hash).await,
            scenario.client.list_blobs(Some(hash)).await.map(drop),
            scenario.client.blob_upload_url(hash, 1).await.map(drop),
            scenario.client.blob_confirm(hash, 1).await,
            scenario.client.blob_download_url(hash).await.map(drop),
        ];
        for outcome in refused {
            assert!(matches!(outcome, Err(SyncKitError::InvalidField { ref field, .. }) if field == "hash"));
        }
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_sent() {
    let scenario = Scenario::new().await;
    let blob = scenario.put(b"put by somebody with a key").await;
    let keyless = scenario.fixture.signed_in().await;
    let put = keyless.put_blob(std::io::Cursor::new(b"in the clear".to_vec()), |_| {}).await;
    assert!(matches!(put, Err(SyncKitError::NoMasterKey)));
    assert!(matches!(keyless.blob_upload(b"in the clear").await, Err(SyncKitError::NoMasterKey)));
    let got = keyless.get_blob(&blob.hash, scenario.path("got"), |_| {}).await;
    assert!(matches!(got, Err(SyncKitError::NoMasterKey)));
    assert_eq!(keyless.list_blobs(None).await.unwrap().blobs.len(), 1);
}
