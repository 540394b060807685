//! Files that change while they are read, or cannot be read.

use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use tidelog_client::SyncKitError;
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};

use super::scenario::Scenario;

/// Has other content each time that it is read.
struct ChangingReader {
    readings: Vec<Vec<u8>>,
    /// How often it was read from the start, and up to where.
    reading: usize,
    at: usize,
    fails_at: Option<usize>,
}

impl ChangingReader {
    fn new(first: &[u8], second: &[u8]) -> Self {
        Self { readings: vec![first.to_vec(), second.to_vec()], reading: 0, at: 0, fails_at: None }
    }
}

impl AsyncRead for ChangingReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.fails_at == Some(self.reading) {
            return Poll::Ready(Err(io::Error::other("the disk is gone")));
        }
        let content = &self.readings[self.reading];
        let taken = buffer.remaining().min(content.len() - self.at);
        buffer.put_slice(&content[self.at..self.at + taken]);
        self.at += taken;
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for ChangingReader {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        if to == SeekFrom::Start(0) && self.at > 0 {
            self.reading += 1;
        }
        self.at = 0;
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(0))
    }
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_not_uploaded() {
    let scenario = Scenario::new().await;
    let before = vec![1; 200_000];
    let mut other = before.clone();
    other[199_999] = 2;
    let longer = [before.clone(), vec![1]].concat();
    let much_longer = [before.clone(), vec![1; 3_000_000]].concat();
    for after in [&other[..], &before[..199_999], &before[..65_536], &[], &longer, &much_longer] {
        let outcome = scenario.client.put_blob(ChangingReader::new(&before, after), |_| {}).await;
        assert!(matches!(outcome, Err(SyncKitError::FileChanged)), "{outcome:?}");
    }
    assert!(scenario.proxy.take_transfers().is_empty());
    assert_eq!(scenario.client.list_blobs(None).await.unwrap().blobs, []);
    assert!(scenario.is_tidy());
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_a_typed_error() {
    let scenario = Scenario::new().await;
    for reading in [0, 1] {
        let reader =
            ChangingReader { fails_at: Some(reading), ..ChangingReader::new(b"content", b"content") };
        let outcome = scenario.client.put_blob(reader, |_| {}).await;
        assert!(matches!(outcome, Err(SyncKitError::Io(_))), "{outcome:?}");
    }
    let outcome = scenario.client.put_blob_file(scenario.path("nowhere"), |_| {}).await;
    assert!(matches!(outcome, Err(SyncKitError::Io(_))), "{outcome:?}");
    assert!(scenario.is_tidy());
}

#[tokio::test]
async fn a_missing_folder_is_an_error_and_nothing_is_downloaded() {
    let scenario = Scenario::new().await;
    let blob = scenario.put(b"content").await;
    scenario.proxy.take_transfers();
    let outcome = scenario.client.get_blob(&blob.hash, scenario.path("nowhere/file"), |_| {}).await;
    assert!(matches!(outcome, Err(SyncKitError::Io(_))), "{outcome:?}");
    assert!(scenario.proxy.take_transfers().is_empty());
}
