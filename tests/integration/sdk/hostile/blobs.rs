//! Blobs that a server, or its blob store, has altered, swapped or made up: a typed error, no file, and no byte
//! written.

use std::sync::{Arc, Mutex};

use data_encoding::BASE64;
use serde_json::{Value, json};
use tidelog_client::formats::{BlobHash, Malformed, seal_once, seal_stream, wrap_file_key};
use tidelog_client::{BlobError, SyncKitClient, SyncKitError};

use crate::blobs::scenario::{Scenario, content, names};
use tidelog_test_kit::raw::RawClient;
use tidelog_test_kit::sdk::PASSPHRASE;

/// Three full chunks and a part of a fourth.
const SIZE: usize = 200_000;
const HEADER: usize = 20;
const SEALED_CHUNK: usize = 65_536 + 16;

/// The error of a download. It must be the same in every way to download, and nothing may be left behind.
async fn refusal_of(scenario: &Scenario, client: &SyncKitClient, hash: &str) -> SyncKitError {
    let path = scenario.path("file");
    std::fs::write(&path, "what was there").unwrap();
    let into_path = client.get_blob(hash, &path, |_| {}).await.unwrap_err();
    assert_eq!(std::fs::read(&path).unwrap(), b"what was there");
    std::fs::remove_file(&path).unwrap();
    let fresh = client.get_blob(hash, scenario.path("fresh"), |_| {}).await.unwrap_err();
    let mut written = Vec::new();
    let into_writer = client.get_blob_into(hash, &mut written, |_| {}).await.unwrap_err();
    let into_memory = match client.blob_download_url(hash).await {
        Ok(url) => client.blob_download(&url).await.unwrap_err(),
        Err(error) => error,
    };
    for other in [fresh, into_writer, into_memory] {
        assert_eq!(other.to_string(), into_path.to_string());
    }
    assert!(written.is_empty() && scenario.is_tidy(), "{:?}", names(scenario.files.path()));
    into_path
}

/// The error for a blob whose bytes are replaced.
async fn with_bytes(lie: impl Fn(Vec<u8>) -> Vec<u8> + Send + 'static) -> SyncKitError {
    let scenario = Scenario::new().await;
    let blob = scenario.put(&content(SIZE)).await;
    assert_eq!(scenario.get(&blob.hash).await, content(SIZE));
    scenario.proxy.rewrite(move |asked, answer| {
        if asked.is_blob_transfer() {
            answer.body = lie(std::mem::take(&mut answer.body));
        }
    });
    let refusal = refusal_of(&scenario, &scenario.client, &blob.hash).await;
    scenario.proxy.stop_rewriting();
    assert_eq!(scenario.get(&blob.hash).await, content(SIZE), "the client goes on");
    refusal
}

fn chunk(blob: &[u8], number: usize) -> &[u8] {
    let from = HEADER + number * SEALED_CHUNK;
    &blob[from..blob.len().min(from + SEALED_CHUNK)]
}

fn is(refusal: &SyncKitError, expected: BlobError) {
    assert!(matches!(refusal, SyncKitError::BadBlob(it) if *it == expected), "{refusal:?}");
}

#[tokio::test]
async fn any_changed_bit_is_detected() {
    for at in [HEADER, 70_000, HEADER + SIZE] {
        let refusal = with_bytes(move |mut bytes| {
            bytes[at] ^= 1;
            bytes
        });
        is(&refusal.await, BlobError::DoesNotOpen);
    }
}

#[tokio::test]
async fn a_truncated_blob_is_detected_even_at_the_end_of_a_chunk() {
    for kept in [0, 7, HEADER, HEADER + SEALED_CHUNK, HEADER + 3 * SEALED_CHUNK, HEADER + SIZE] {
        let refusal = with_bytes(move |bytes| bytes[..kept].to_vec()).await;
        is(&refusal, BlobError::Malformed(Malformed::Truncated));
    }
}

#[tokio::test]
async fn bytes_after_the_last_chunk_are_detected() {
    for more in [1, SEALED_CHUNK, 3_000_000] {
        let refusal = with_bytes(move |bytes| [bytes, vec![0; more]].concat()).await;
        is(&refusal, BlobError::Malformed(Malformed::TrailingBytes));
    }
}

#[tokio::test]
async fn chunks_in_another_order_left_out_or_repeated_are_detected() {
    for order in [&[1, 0, 2, 3][..], &[0, 2, 2, 3], &[0, 0, 1, 2, 3], &[0, 2, 3, 3], &[3, 1, 2, 0]] {
        let refusal = with_bytes(move |bytes| {
            let chunks: Vec<_> = order.iter().map(|number| chunk(&bytes, *number)).collect();
            [&bytes[..HEADER], &chunks.concat()].concat()
        });
        is(&refusal.await, BlobError::DoesNotOpen);
    }
}

#[tokio::test]
async fn a_changed_header_is_detected() {
    let refusal = with_bytes(|mut bytes| {
        bytes[12..HEADER].copy_from_slice(&(SIZE as u64 - 1).to_le_bytes());
        bytes
    });
    is(&refusal.await, BlobError::DoesNotOpen);
    // An announced petabyte takes no memory before the first chunk fails to open.
    let refusal = with_bytes(|mut bytes| {
        bytes[12..HEADER].copy_from_slice(&(1_u64 << 47).to_le_bytes());
        bytes
    });
    is(&refusal.await, BlobError::DoesNotOpen);
    let refusal = with_bytes(|mut bytes| {
        bytes[12..HEADER].copy_from_slice(&u64::MAX.to_le_bytes());
        bytes
    });
    is(&refusal.await, BlobError::Malformed(Malformed::BlobLength));
}

#[tokio::test]
async fn garbage_is_detected() {
    is(
        &with_bytes(|_| b"<html>please pay</html>".to_vec()).await,
        BlobError::Malformed(Malformed::Truncated),
    );
    is(&with_bytes(|bytes| vec![7; bytes.len()]).await, BlobError::DoesNotOpen);
}

#[tokio::test]
async fn another_blob_of_the_user_is_not_accepted() {
    let scenario = Scenario::new().await;
    let (one, other) = (scenario.put(&content(SIZE)).await, scenario.put(&content(SIZE + 1)).await);
    // Its bytes, its URL, or everything that the server says about it.
    let other_answer = Arc::new(Mutex::new(Value::Null));
    for lie in 0..3 {
        let (kept, other_hash) = (other_answer.clone(), other.hash.clone());
        scenario.proxy.rewrite(move |asked, answer| {
            if !asked.path.ends_with("/blobs/download") {
                return;
            }
            let body: Value = serde_json::from_slice(&asked.body).unwrap();
            let is_other = body["hash"] == other_hash.as_str();
            answer.alter(|told| {
                let mut kept = kept.lock().unwrap();
                match lie {
                    _ if is_other => *kept = told.clone(),
                    0 => told["download_url"] = kept["download_url"].clone(),
                    1 => told["wrapped_key"] = kept["wrapped_key"].clone(),
                    _ => *told = kept.clone(),
                }
            });
        });
        scenario.get(&other.hash).await;
        let refusal = refusal_of(&scenario, &scenario.client, &one.hash).await;
        is(&refusal, if lie == 0 { BlobError::DoesNotOpen } else { BlobError::KeyDoesNotOpen });
    }
}

#[tokio::test]
async fn a_blob_of_another_user_is_not_accepted() {
    let scenario = Scenario::new().await;
    let mine = scenario.put(&content(SIZE)).await;
    let stranger = scenario.another_user().await;
    let theirs = stranger.put_blob(std::io::Cursor::new(content(SIZE)), |_| {}).await.unwrap();
    let raw = RawClient::with_token_of(&scenario.fixture, &stranger);
    let (key, url) =
        (raw.wrapped_key(&theirs.hash).await, stranger.blob_download_url(&theirs.hash).await.unwrap());
    let url = url.split('#').next().unwrap().to_owned();
    for with_key in [false, true] {
        let (key, url) = (key.clone(), url.clone());
        scenario.proxy.rewrite(move |asked, answer| {
            if asked.path.ends_with("/blobs/download") {
                answer.alter(|told| {
                    told["download_url"] = url.clone().into();
                    if with_key {
                        told["wrapped_key"] = key.clone().into();
                    }
                });
            }
        });
        let refusal = refusal_of(&scenario, &scenario.client, &mine.hash).await;
        is(&refusal, if with_key { BlobError::KeyDoesNotOpen } else { BlobError::DoesNotOpen });
    }
}

#[tokio::test]
async fn a_wrapped_key_that_is_missing_broken_or_labelled_with_another_version_opens_nothing() {
    let scenario = Scenario::new().await;
    let blob = scenario.put(&content(SIZE)).await;
    let garbage = BASE64.encode(&[7; 72]);
    let lies = [
        (json!({ "wrapped_key": null }), BlobError::NoKey),
        (json!({ "key_version": null }), BlobError::NoKey),
        (json!({ "wrapped_key": garbage }), BlobError::KeyDoesNotOpen),
        (json!({ "wrapped_key": BASE64.encode(&[7; 71]) }), BlobError::Malformed(Malformed::Truncated)),
        (json!({ "wrapped_key": BASE64.encode(&[7; 73]) }), BlobError::Malformed(Malformed::TrailingBytes)),
        (json!({ "key_version": 0 }), BlobError::WrongKey { have: 1, want: 0 }),
        (json!({ "key_version": 9 }), BlobError::WrongKey { have: 1, want: 9 }),
    ];
    for (lie, expected) in lies {
        scenario.proxy.rewrite(move |asked, answer| {
            if asked.path.ends_with("/blobs/download") {
                answer.alter(|told| {
                    for (field, value) in lie.as_object().unwrap() {
                        told[field] = value.clone();
                    }
                });
            }
        });
        let path = scenario.path("file");
        let refusal = scenario.client.get_blob(&blob.hash, &path, |_| {}).await.unwrap_err();
        is(&refusal, expected);
        assert!(scenario.is_tidy());
    }
}

/// A former holder of the key can seal, but no file of theirs passes for one that the app refers to.
#[tokio::test]
async fn a_validly_sealed_file_under_the_name_of_another_is_detected() {
    let scenario = Scenario::new().await;
    let blob = scenario.put(&content(SIZE)).await;
    let name: BlobHash = blob.hash.parse().unwrap();
    let vault = RawClient::with_token_of(&scenario.fixture, &scenario.client).opened_envelope().await.vault;
    for (key, forged) in [seal_stream(&vault, b"forged").unwrap(), seal_once(&vault, b"forged")] {
        let wrapped = BASE64.encode(&wrap_file_key(&vault, &name, &key).unwrap());
        scenario.proxy.rewrite(move |asked, answer| {
            if asked.path.ends_with("/blobs/download") {
                answer.alter(|told| told["wrapped_key"] = wrapped.clone().into());
            } else if asked.is_blob_transfer() {
                answer.body = forged.clone();
            }
        });
        is(&refusal_of(&scenario, &scenario.client, &blob.hash).await, BlobError::OtherBytes);
    }
}

#[tokio::test]
async fn a_part_that_starts_at_another_byte_than_requested_is_refused() {
    let scenario = Scenario::new().await;
    let blob = scenario.put(&content(3_000_000)).await;
    scenario.proxy.rewrite(|asked, answer| {
        if asked.is_blob_transfer() && asked.header("range").is_none() {
            answer.cut_after = Some(1_500_000);
        } else if asked.is_blob_transfer() {
            for (_, value) in answer.headers.iter_mut().filter(|(name, _)| name == "content-range") {
                *value = value.replace("bytes ", "bytes 1");
            }
        }
    });
    let refused = scenario.client.get_blob(&blob.hash, scenario.path("file"), |_| {}).await;
    assert!(matches!(refused, Err(SyncKitError::BadAnswer(_))), "{refused:?}");
    assert!(scenario.is_tidy());
}

#[tokio::test]
async fn a_rotation_does_not_rewrap_a_key_that_was_swapped() {
    use tidelog_client::Rotation;

    let scenario = Scenario::new().await;
    let (one, other) = (scenario.put(&content(10)).await, scenario.put(&content(20)).await);
    let (hash, key) = (
        one.hash.clone(),
        RawClient::with_token_of(&scenario.fixture, &scenario.client).wrapped_key(&other.hash).await,
    );
    scenario.proxy.rewrite(move |asked, answer| {
        if asked.path.ends_with("/keys/rotate/blobs") && answer.status == 200 {
            answer.alter(|page| {
                for blob in page["blobs"].as_array_mut().unwrap() {
                    if blob["hash"] == hash.as_str() {
                        blob["wrapped_key"] = key.clone().into();
                    }
                }
            });
        }
    });
    let outcome = scenario.client.rotate_key(PASSPHRASE, Rotation::Routine, |_| {}).await.unwrap();
    assert_eq!((outcome.blobs_rewrapped, outcome.blobs_kept), (1, 1));
    scenario.proxy.stop_rewriting();
    assert_eq!(scenario.get(&other.hash).await, content(20));
    // It was kept under the old key, which a routine rotation keeps in the ring.
    assert_eq!(scenario.get(&one.hash).await, content(10));
}
