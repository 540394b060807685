//! Memory for files: a few megabytes whatever their size. A test binary of its own, since it counts every allocation;
//! the server runs inside it, so its share is counted, too.

use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use peak_alloc::PeakAlloc;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};

use tidelog_test_kit::sdk::{Fixture, PASSPHRASE};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// Bytes that a transfer may allocate, at both ends together.
const BOUND: usize = 8 * 1024 * 1024;
/// Bytes of the file. Held in memory once, it would exceed the bound.
const SIZE: u64 = 16 * 1024 * 1024;

/// A file of this size that is generated while it is read.
struct Pattern {
    size: u64,
    at: u64,
}

impl AsyncRead for Pattern {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = usize::try_from(self.size - self.at).unwrap_or(usize::MAX);
        let taken = buffer.remaining().min(left);
        buffer.initialize_unfilled_to(taken).fill((self.at / 4096) as u8);
        buffer.advance(taken);
        self.at += taken as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for Pattern {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(_) => self.size,
            SeekFrom::Current(_) => self.at,
        };
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.at))
    }
}

/// The peak of allocations during this, beyond those before it.
async fn growth<T>(of: impl Future<Output = T>) -> (T, usize) {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let outcome = of.await;
    (outcome, ALLOCATED.peak_usage().saturating_sub(before))
}

#[tokio::test]
async fn a_file_of_any_size_takes_a_few_megabytes() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    client.setup_encryption_new(PASSPHRASE).await.unwrap();
    // Warms up what is allocated once.
    client.put_blob(Pattern { size: 10, at: 0 }, |_| {}).await.unwrap();

    let (blob, putting) = growth(client.put_blob(Pattern { size: SIZE, at: 0 }, |_| {})).await;
    let hash = blob.unwrap().hash;
    let folder = TempDir::new().unwrap();
    let (got, getting) = growth(client.get_blob(&hash, folder.path().join("file"), |_| {})).await;
    let (written, giving) = growth(client.get_blob_into(&hash, tokio::io::sink(), |_| {})).await;
    assert_eq!((got.unwrap(), written.unwrap()), (SIZE, SIZE));
    for (what, bytes) in [("putting", putting), ("getting", getting), ("writing", giving)] {
        println!("{what} took {bytes} bytes");
        assert!(bytes <= BOUND, "{what} took {bytes} bytes");
    }
}
