//! Uploading a file of any size: it is sealed into a temporary file, which is sent as often as it takes.

use std::path::Path;

use tokio::io::{AsyncRead, AsyncSeek};

use super::sealing::seal_file;
use super::send::Outgoing;
use super::{BlobProgress, BlobRef, BlobStage};
use crate::{Result, SyncKitClient};

impl SyncKitClient {
    /// Seals everything that the reader gives, from its start to its end, and stores it on the server. Returns the
    /// name for [`get_blob`](Self::get_blob). Once this returns, the blob is on the server's disk. A file that the
    /// user has in this app already is not sent.
    ///
    /// Takes a few megabytes of memory whatever the file's size, and as much space as the file in the
    /// [`temporary_folder`](crate::ClientBuilder::temporary_folder). The reader is read twice. What did not arrive is
    /// sent again, as often as any request is retried; a program that was stopped starts from the beginning.
    ///
    /// # Errors
    /// Before anything is sent: [`NoMasterKey`](crate::SyncKitError::NoMasterKey),
    /// [`Blocked`](crate::SyncKitError::Blocked), [`FileChanged`](crate::SyncKitError::FileChanged) if the second
    /// reading differs from the first, [`Io`](crate::SyncKitError::Io). From the server:
    /// [`BlobTooLarge`](crate::SyncKitError::BlobTooLarge), [`QuotaExceeded`](crate::SyncKitError::QuotaExceeded),
    /// [`MembershipRequired`](crate::SyncKitError::MembershipRequired), [`NoBlobs`](crate::SyncKitError::NoBlobs),
    /// and those of every request.
    pub async fn put_blob(
        &self,
        reader: impl AsyncRead + AsyncSeek + Unpin + Send,
        mut progress: impl FnMut(BlobProgress) + Send,
    ) -> Result<BlobRef> {
        let vault = self.blob_vault().await?;
        let sealed = seal_file(reader, vault, self.temporary_folder.as_deref(), &mut progress).await?;
        let total = sealed.size;
        let outgoing = Outgoing::File(&sealed.file, total);
        let on_sent = |done| progress(BlobProgress { stage: BlobStage::Sending, done, total });
        self.upload(&sealed.name, &sealed.key, &outgoing, on_sent).await?;
        Ok(BlobRef { hash: sealed.name.to_string(), size: sealed.plain_size })
    }

    /// Like [`put_blob`](Self::put_blob), for the file at this path.
    ///
    /// # Errors
    /// Those of [`put_blob`](Self::put_blob).
    pub async fn put_blob_file(
        &self,
        path: impl AsRef<Path>,
        progress: impl FnMut(BlobProgress) + Send,
    ) -> Result<BlobRef> {
        let file = tokio::fs::File::open(path.as_ref().to_owned()).await?;
        self.put_blob(file, progress).await
    }
}
