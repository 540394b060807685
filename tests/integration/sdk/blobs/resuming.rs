//! Connections that break, and presigned URLs that are no longer valid.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidelog_client::{BlobError, SyncKitError};

use super::scenario::{Scenario, content};

const SIZE: usize = 3_000_000;

/// A counter for a treatment that changes over time.
fn times() -> (Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let times = Arc::new(AtomicUsize::new(0));
    (times.clone(), times)
}

#[tokio::test]
async fn a_broken_download_is_resumed() {
    let scenario = Scenario::new().await;
    let blob = scenario.put(&content(SIZE)).await;
    scenario.proxy.take_transfers();
    scenario.proxy.rewrite(|asked, answer| {
        // More often than there are retries: each attempt brought something.
        answer.cut_after = (asked.is_blob_transfer() && answer.body.len() > 500_000).then_some(300_000);
    });
    let size = scenario.client.get_blob(&blob.hash, scenario.path("got"), |_| {}).await.unwrap();
    assert_eq!((size, std::fs::read(scenario.path("got")).unwrap() == content(SIZE)), (SIZE as u64, true));
    let asked = scenario.proxy.take_transfers();
    let ranges: Vec<_> = asked.iter().map(|it| it.header("range")).collect();
    let expected: Vec<_> = (1..asked.len()).map(|broken| format!("bytes={}-", broken * 300_000)).collect();
    assert!(expected.len() > 5);
    assert_eq!(ranges[0], None);
    assert_eq!(ranges[1..], expected.iter().map(|range| Some(range.as_str())).collect::<Vec<_>>());
    assert!(asked[1..].iter().all(|it| it.header("if-match").is_some_and(|tag| tag.starts_with('"'))));
}

#[tokio::test]
async fn a_store_without_ranges_sends_everything_again_and_what_came_is_skipped() {
    let scenario = Scenario::new().await;
    let blob = scenario.put(&content(SIZE)).await;
    let whole = Arc::new(std::sync::Mutex::new(Vec::new()));
    scenario.proxy.rewrite(move |asked, answer| {
        let mut whole = whole.lock().unwrap();
        if asked.is_blob_transfer() && asked.header("range").is_none() {
            *whole = answer.body.clone();
            answer.cut_after = Some(1_234_567);
        } else if asked.is_blob_transfer() {
            (answer.status, answer.body) = (200, whole.clone());
            answer.headers.retain(|(name, _)| name != "content-range");
        }
    });
    scenario.client.get_blob(&blob.hash, scenario.path("got"), |_| {}).await.unwrap();
    assert_eq!(std::fs::read(scenario.path("got")).unwrap(), content(SIZE));
}

#[tokio::test]
async fn a_download_that_brings_nothing_more_fails_and_leaves_nothing() {
    let scenario = Scenario::new().await;
    let blob = scenario.put(&content(SIZE)).await;
    scenario.proxy.rewrite(|asked, answer| {
        answer.cut_after =
            asked.is_blob_transfer().then_some(usize::from(asked.header("range").is_none()) * 10);
    });
    let outcome = scenario.client.get_blob(&blob.hash, scenario.path("got"), |_| {}).await;
    assert!(matches!(outcome, Err(SyncKitError::Network(_))), "{outcome:?}");
    let mut written = Vec::new();
    let outcome = scenario.client.get_blob_into(&blob.hash, &mut written, |_| {}).await;
    assert!(matches!(outcome, Err(SyncKitError::Network(_))), "{outcome:?}");
    assert!(scenario.is_tidy() && written.is_empty());
}

#[tokio::test]
async fn a_broken_upload_is_sent_again_as_a_whole() {
    let scenario = Scenario::new().await;
    scenario.proxy.break_uploads(2);
    let blob = scenario.put(&content(SIZE)).await;
    let asked = scenario.proxy.take_transfers();
    assert_eq!(asked.len(), 3);
    assert!(asked[0].body.len() < SIZE && asked[2].body.len() > SIZE);
    assert_eq!(scenario.get(&blob.hash).await, content(SIZE));
    assert!(scenario.is_tidy());
}

#[tokio::test]
async fn an_upload_that_always_breaks_fails_and_leaves_nothing() {
    let scenario = Scenario::new().await;
    scenario.proxy.break_uploads(usize::MAX);
    let outcome = scenario.client.put_blob(std::io::Cursor::new(content(SIZE)), |_| {}).await;
    assert!(matches!(outcome, Err(SyncKitError::Network(_))), "{outcome:?}");
    assert_eq!(scenario.proxy.take_transfers().len(), 4);
    assert_eq!(scenario.client.list_blobs(None).await.unwrap().blobs, []);
    assert!(scenario.is_tidy());
}

#[tokio::test]
async fn a_lost_answer_to_an_upload_only_costs_time() {
    let scenario = Scenario::new().await;
    let (count, counting) = times();
    scenario.proxy.rewrite(move |asked, answer| {
        let is_first = asked.method == "PUT" && counting.fetch_add(1, Ordering::SeqCst) == 0;
        if is_first {
            answer.refuse(502);
        }
    });
    let blob = scenario.put(&content(SIZE)).await;
    assert!(count.load(Ordering::SeqCst) >= 1);
    scenario.proxy.stop_rewriting();
    assert_eq!(scenario.get(&blob.hash).await, content(SIZE));
}

#[tokio::test]
async fn an_expired_url_is_replaced() {
    let scenario = Scenario::new().await;
    for status in [400, 403, 404, 410] {
        let (_, sent) = times();
        scenario.proxy.rewrite(move |asked, answer| {
            if asked.method == "PUT" && sent.fetch_add(1, Ordering::SeqCst) == 0 {
                answer.refuse(status);
            }
        });
        let size = usize::from(status);
        let blob = scenario.put(&content(size)).await;
        let (_, got) = times();
        scenario.proxy.rewrite(move |asked, answer| {
            if asked.is_blob_transfer() && got.fetch_add(1, Ordering::SeqCst) == 0 {
                answer.refuse(status);
            }
        });
        assert_eq!(scenario.get(&blob.hash).await, content(size));
    }
}

#[tokio::test]
async fn a_store_that_refuses_for_good_is_not_retried() {
    let scenario = Scenario::new().await;
    let blob = scenario.put(&content(1_000)).await;
    scenario.proxy.take_transfers();
    scenario.proxy.rewrite(|asked, answer| {
        if asked.is_blob_transfer() {
            answer.refuse(403);
        }
    });
    assert!(scenario.client.get_blob(&blob.hash, scenario.path("got"), |_| {}).await.is_err());
    assert_eq!(scenario.proxy.take_transfers().len(), 4);
    let outcome = scenario.client.put_blob(std::io::Cursor::new(content(2_000)), |_| {}).await;
    assert!(outcome.is_err());
    assert_eq!(scenario.proxy.take_transfers().len(), 4);
    assert!(scenario.is_tidy());
}

#[tokio::test]
async fn a_store_that_does_not_answer_times_out() {
    let scenario = Scenario::with(|builder| builder.retries(0).timeout(Duration::from_millis(500))).await;
    let blob = scenario.put(&content(1_000)).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", silent.local_addr().unwrap());
    scenario.proxy.rewrite(move |asked, answer| {
        if asked.path.ends_with("/blobs/download") || asked.path.ends_with("/blobs/upload") {
            answer.alter(|body| {
                for field in ["download_url", "upload_url"] {
                    if body.get(field).is_some() {
                        body[field] = address.clone().into();
                    }
                }
            });
        }
    });
    let outcome = scenario.client.get_blob(&blob.hash, scenario.path("got"), |_| {}).await;
    assert!(matches!(outcome, Err(SyncKitError::Network(_))), "{outcome:?}");
    let outcome = scenario.client.put_blob(std::io::Cursor::new(content(9_000)), |_| {}).await;
    assert!(matches!(outcome, Err(SyncKitError::Network(_))), "{outcome:?}");
    assert!(scenario.is_tidy());
}

#[tokio::test]
async fn a_truncated_object_is_told_from_a_broken_connection() {
    let scenario = Scenario::new().await;
    let blob = scenario.put(&content(SIZE)).await;
    scenario.proxy.rewrite(|asked, answer| {
        if asked.is_blob_transfer() {
            answer.body.truncate(2_000_000);
        }
    });
    let outcome = scenario.client.get_blob(&blob.hash, scenario.path("got"), |_| {}).await;
    let Err(SyncKitError::BadBlob(BlobError::Malformed(fault))) = outcome else { panic!("{outcome:?}") };
    assert_eq!(fault.code(), "truncated");
    assert!(scenario.is_tidy());
}
