//! The names of the original SDK for what this one does in another way: thin wrappers, so that programs written for
//! it go on working. New programs have no need for them.
//!
//! | original | here |
//! |---|---|
//! | `pull`, `pull_rich`, `pull_filtered`, `pull_filtered_rich` | [`pull_page`](SyncKitClient::pull_page), which also returns what was quarantined |
//! | `list_devices` | [`devices`](SyncKitClient::devices) |
//! | `blob_upload`, `blob_download` | [`put_blob`](SyncKitClient::put_blob), [`get_blob`](SyncKitClient::get_blob), for files of any size |
//! | `blob_upload_url`, `blob_confirm`, `blob_download_url` | the steps of which those consist |

use tidelog_protocol::{Cursor, Device};
use uuid::Uuid;

use crate::{ChangeEntry, PullFilter, PulledChange, Result, SyncKitClient};

/// Names of the original SDK for pulling.
impl SyncKitClient {
    /// Pulls the page of changes after `cursor`; `0` is the start of the log. Returns the changes, the cursor of the
    /// next page, and whether there is one.
    ///
    /// Entries that do not open are left out and counted ([`quarantined`](Self::quarantined));
    /// [`pull_page`](Self::pull_page) returns them as well.
    ///
    /// # Errors
    /// Those of [`pull_page`](Self::pull_page).
    pub async fn pull(
        &self,
        device_id: Uuid,
        cursor: impl Into<Cursor>,
    ) -> Result<(Vec<ChangeEntry>, Cursor, bool)> {
        self.pull_filtered(device_id, cursor, PullFilter::default()).await
    }

    /// Like [`pull`](Self::pull), with seq, author and key version of each change.
    ///
    /// # Errors
    /// Those of [`pull_page`](Self::pull_page).
    pub async fn pull_rich(
        &self,
        device_id: Uuid,
        cursor: impl Into<Cursor>,
    ) -> Result<(Vec<PulledChange>, Cursor, bool)> {
        self.pull_filtered_rich(device_id, cursor, PullFilter::default()).await
    }

    /// Like [`pull`](Self::pull), but only what passes the filter. The cursor advances past what was left out, so a
    /// page may be empty although there is more.
    ///
    /// # Errors
    /// Those of [`pull_page`](Self::pull_page).
    pub async fn pull_filtered(
        &self,
        device_id: Uuid,
        cursor: impl Into<Cursor>,
        filter: PullFilter,
    ) -> Result<(Vec<ChangeEntry>, Cursor, bool)> {
        let (changes, cursor, has_more) = self.pull_filtered_rich(device_id, cursor, filter).await?;
        Ok((changes.into_iter().map(|change| change.entry).collect(), cursor, has_more))
    }

    /// Like [`pull_filtered`](Self::pull_filtered), with seq, author and key version of each change.
    ///
    /// # Errors
    /// Those of [`pull_page`](Self::pull_page).
    pub async fn pull_filtered_rich(
        &self,
        device_id: Uuid,
        cursor: impl Into<Cursor>,
        filter: PullFilter,
    ) -> Result<(Vec<PulledChange>, Cursor, bool)> {
        let page = self.pull_page(device_id, cursor, filter).await?;
        Ok((page.changes, page.cursor, page.has_more))
    }
}

/// Names of the original SDK for devices.
impl SyncKitClient {
    /// The same as [`devices`](Self::devices).
    ///
    /// # Errors
    /// Those of every request.
    pub async fn list_devices(&self) -> Result<Vec<Device>> {
        self.devices().await
    }
}

/// Names of the original SDK for blobs that fit into memory. They are sealed as a whole, 40 bytes over the file;
/// [`get_blob`](SyncKitClient::get_blob) and [`blob_download`](SyncKitClient::blob_download) read both forms.
impl SyncKitClient {
    /// Returns a presigned URL to `PUT` a blob of this name and size to, and whether the blob exists already. In that
    /// case there is nothing to send, and the URL is empty. For programs that seal and send by themselves;
    /// [`blob_upload`](Self::blob_upload) does all of it.
    ///
    /// # Errors
    /// [`BlobTooLarge`](crate::SyncKitError::BlobTooLarge), [`QuotaExceeded`](crate::SyncKitError::QuotaExceeded),
    /// and those of every request.
    pub async fn blob_upload_url(&self, hash: &str, size_bytes: u64) -> Result<(String, bool)> {
        let url = self.presigned_upload(hash, size_bytes).await?;
        let exists = url.is_none();
        Ok((url.unwrap_or_default(), exists))
    }

    /// Seals a file that is in memory, uploads and confirms it, and returns its name. Once this returns, the blob is
    /// on the server's disk.
    ///
    /// # Errors
    /// Those of [`put_blob`](Self::put_blob).
    pub async fn blob_upload(&self, data: impl Into<Vec<u8>>) -> Result<String> {
        Ok(self.put_whole_blob(data.into()).await?.to_string())
    }

    /// Turns what a program has uploaded to the URL of [`blob_upload_url`](Self::blob_upload_url) into a blob.
    /// Calling it again changes nothing, also for a blob of [`blob_upload`](Self::blob_upload).
    ///
    /// # Errors
    /// [`Server`](crate::SyncKitError::Server) with
    /// [`ErrorCode::NotUploaded`](crate::ErrorCode::NotUploaded) or
    /// [`ErrorCode::BlobMismatch`](crate::ErrorCode::BlobMismatch), and those of every request.
    pub async fn blob_confirm(&self, hash: &str, size_bytes: u64) -> Result<()> {
        self.confirm_without_key(hash, size_bytes).await
    }

    /// Returns a presigned URL to download a blob from, with its wrapped key behind `#`. Whoever has the URL can
    /// download the sealed bytes; opening them takes the user's key. A blob that was uploaded without a key has
    /// nothing behind `#`.
    ///
    /// # Errors
    /// [`NotFound`](crate::SyncKitError::NotFound), and those of every request.
    pub async fn blob_download_url(&self, hash: &str) -> Result<String> {
        self.blob_link(hash).await
    }

    /// Downloads and opens a blob into memory, by a URL from [`blob_download_url`](Self::blob_download_url).
    ///
    /// # Errors
    /// [`BadBlob`](crate::SyncKitError::BadBlob) for bytes that are not the blob of this name, and those of every
    /// request.
    pub async fn blob_download(&self, url: &str) -> Result<Vec<u8>> {
        self.get_blob_by_link(url).await
    }
}
