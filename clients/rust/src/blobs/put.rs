//! Putting a file of any size: seal it into a temporary file, send that, whatever it takes.

use std::path::Path;

use tokio::io::{AsyncRead, AsyncSeek};

use super::sealing::seal_file;
use super::send::Outgoing;
use super::{BlobProgress, BlobRef, BlobStage};
use crate::{Result, SyncKitClient};

impl SyncKitClient {
    /// Seals all that the reader gives, from its start to its end, and stores it on the server; gives the name under which
    /// [`get_blob`](Self::get_blob) finds it. When this returns, the blob is on the server's disk. What the user has in this app
    /// already is not sent.
    ///
    /// Takes a few megabytes of memory whatever the file's size, and as much room as it takes in the
    /// [`temporary_folder`](crate::ClientBuilder::temporary_folder). The reader is read twice. What did not arrive is sent again, as
    /// often as any request; a program that was stopped begins anew.
    ///
    /// # Errors
    /// Before anything is sent: [`NoMasterKey`](crate::SyncKitError::NoMasterKey), [`Blocked`](crate::SyncKitError::Blocked),
    /// [`FileChanged`](crate::SyncKitError::FileChanged) if the second reading gave something else,
    /// [`Io`](crate::SyncKitError::Io). From the server: [`BlobTooLarge`](crate::SyncKitError::BlobTooLarge),
    /// [`QuotaExceeded`](crate::SyncKitError::QuotaExceeded), [`MembershipRequired`](crate::SyncKitError::MembershipRequired),
    /// [`NoBlobs`](crate::SyncKitError::NoBlobs), and those of every request.
    pub async fn put_blob(
        &self,
        reader: impl AsyncRead + AsyncSeek + Unpin + Send,
        mut progress: impl FnMut(BlobProgress) + Send,
    ) -> Result<BlobRef> {
        let vault = self.blob_vault().await?;
        let sealed = seal_file(reader, vault, self.temporary_folder.as_deref(), &mut progress).await?;
        let total = sealed.size;
        let outgoing = Outgoing::File(&sealed.file, total);
        let watching = |done| progress(BlobProgress { stage: BlobStage::Sending, done, total });
        self.upload(&sealed.name, &sealed.key, &outgoing, watching).await?;
        Ok(BlobRef { hash: sealed.name.to_string(), size: sealed.plain_size })
    }

    /// Like [`put_blob`](Self::put_blob), the file at this path.
    ///
    /// # Errors
    /// As there.
    pub async fn put_blob_file(
        &self,
        path: impl AsRef<Path>,
        progress: impl FnMut(BlobProgress) + Send,
    ) -> Result<BlobRef> {
        let file = tokio::fs::File::open(path.as_ref().to_owned()).await?;
        self.put_blob(file, progress).await
    }
}
