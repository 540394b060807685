//! The blob calls of the original SDK.

use tidelog_client::formats::{BlobHash, seal_once};
use tidelog_client::{BlobError, ErrorCode, SyncKitError};

use super::scenario::{Scenario, content};
use tidelog_test_kit::raw::RawClient;

#[tokio::test]
async fn a_file_that_fits_into_memory_is_downloaded_by_its_name() {
    let scenario = Scenario::new().await;
    for size in [0, 1, 100_000] {
        let hash = scenario.client.blob_upload(content(size)).await.unwrap();
        let url = scenario.client.blob_download_url(&hash).await.unwrap();
        assert_eq!(scenario.client.blob_download(&url).await.unwrap(), content(size));
        let sealed = scenario.proxy.take_transfers().into_iter().find(|it| it.method == "PUT").unwrap().body;
        assert_eq!((sealed.len(), BlobHash::of(&sealed).to_string()), (size + 40, hash));
    }
}

#[tokio::test]
async fn the_key_is_in_the_fragment_of_the_url_and_in_no_request() {
    let scenario = Scenario::new().await;
    let hash = scenario.client.blob_upload(content(10)).await.unwrap();
    let url = scenario.client.blob_download_url(&hash).await.unwrap();
    let (address, behind) = url.split_once('#').unwrap();
    scenario.proxy.take_transfers();
    scenario.client.blob_download(&url).await.unwrap();
    let asked = scenario.proxy.take_transfers();
    assert!(address.ends_with(&asked[0].path) && !asked[0].path.contains(behind));
    let without = scenario.client.blob_download(address).await;
    assert!(matches!(without, Err(SyncKitError::BadBlob(BlobError::NoKey))), "{without:?}");
}

#[tokio::test]
async fn both_ways_to_download_read_both_forms() {
    let scenario = Scenario::new().await;
    let whole = scenario.client.blob_upload(content(200_000)).await.unwrap();
    let chunks = scenario.put(&content(200_000)).await.hash;
    assert_ne!(whole, chunks);
    for hash in [&whole, &chunks] {
        assert_eq!(scenario.get(hash).await, content(200_000));
        let url = scenario.client.blob_download_url(hash).await.unwrap();
        assert_eq!(scenario.client.blob_download(&url).await.unwrap(), content(200_000));
    }
}

#[tokio::test]
async fn a_large_blob_sealed_as_a_whole_is_only_opened_by_blob_download() {
    let scenario = Scenario::new().await;
    let hash = scenario.client.blob_upload(content(3_000_000)).await.unwrap();
    let refused = scenario.client.get_blob(&hash, scenario.path("got"), |_| {}).await;
    assert!(matches!(refused, Err(SyncKitError::BadBlob(BlobError::TooLarge))), "{refused:?}");
    assert!(scenario.is_tidy());
    let url = scenario.client.blob_download_url(&hash).await.unwrap();
    assert_eq!(scenario.client.blob_download(&url).await.unwrap(), content(3_000_000));
}

#[tokio::test]
async fn a_program_can_seal_and_upload_on_its_own() {
    let scenario = Scenario::new().await;
    let vault = RawClient::with_token_of(&scenario.fixture, &scenario.client).opened_envelope().await.vault;
    let (_, sealed) = seal_once(&vault, b"sealed by the program");
    let (hash, size) = (BlobHash::of(&sealed).to_string(), sealed.len() as u64);
    let early = scenario.client.blob_confirm(&hash, size).await;
    assert!(
        matches!(early, Err(SyncKitError::Server { code: Some(ErrorCode::NotUploaded), .. })),
        "{early:?}"
    );
    let (url, exists) = scenario.client.blob_upload_url(&hash, size).await.unwrap();
    assert!(!exists);
    let sent = reqwest::Client::new().put(url).body(sealed).send().await.unwrap();
    assert!(sent.status().is_success());
    scenario.client.blob_confirm(&hash, size).await.unwrap();
    scenario.client.blob_confirm(&hash, size).await.unwrap();
    assert_eq!(scenario.client.blob_upload_url(&hash, size).await.unwrap(), (String::new(), true));
    // It has no key.
    let keyless = scenario.client.get_blob(&hash, scenario.path("got"), |_| {}).await;
    assert!(matches!(keyless, Err(SyncKitError::BadBlob(BlobError::NoKey))), "{keyless:?}");
    assert!(!scenario.client.blob_download_url(&hash).await.unwrap().contains('#'));
}
