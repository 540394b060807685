//! The part of a rotation that concerns blobs: their keys are wrapped under the next master key, page by page. The
//! blobs themselves are not read.

use tidelog_protocol::{
    RotationBatchResponse, RotationBlobsBatchRequest, RotationBlobsRequest, RotationBlobsResponse,
    limits::MAX_BLOBS_PER_PAGE,
};

use super::reseal::ReencryptionPlan;
use super::rotation_counts::{RotationCounts, RotationProgress};
use crate::blocking::blocking;
use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

/// Bytes of a batch's JSON per blob, at most: its name, its key, and the JSON around them.
const BLOB_BYTES: usize = 256;

impl SyncKitClient {
    /// Wraps all remaining keys of blobs, page by page.
    pub(super) async fn rewrap_remaining_blobs(
        &self,
        plan: &ReencryptionPlan,
        key_version: u32,
        progress: &mut (impl FnMut(RotationProgress) + Send),
        counts: &mut RotationCounts,
    ) -> Result<()> {
        let limit = (self.limits().await?.max_body_bytes / BLOB_BYTES).clamp(1, MAX_BLOBS_PER_PAGE);
        let mut after: Option<String> = None;
        loop {
            let request = RotationBlobsRequest { after: after.clone(), limit: Some(limit) };
            let page: RotationBlobsResponse =
                match self.fetch(&Request::post("/keys/rotate/blobs", &request)?).await {
                    // The server does not know blobs, or does not store them.
                    Err(SyncKitError::NotFound | SyncKitError::NoBlobs) => return Ok(()),
                    answer => answer?,
                };
            let Some(last) = page.blobs.last().map(|blob| blob.hash.clone()) else { return Ok(()) };
            if after.is_some_and(|after| after >= last) {
                return Err(SyncKitError::BadAnswer(String::from("pages of blobs that do not ascend")));
            }
            after = Some(last);
            let (plan, to_wrap) = (plan.clone(), page.blobs);
            let blobs =
                blocking(move || Ok(to_wrap.into_iter().map(|blob| plan.blob_key(blob)).collect::<Vec<_>>()))
                    .await?;
            let kept = blobs.iter().filter(|blob| blob.keep).count() as u64;
            let rewrapped = blobs.len() as u64 - kept;
            // Names the key, since another rotation may have replaced this one meanwhile.
            let batch = RotationBlobsBatchRequest { key_version: Some(key_version), blobs };
            let request = Request::post("/keys/rotate/blobs/batch", &batch)?;
            let left = self.fetch::<RotationBatchResponse>(&request).await?.remaining;
            counts.blobs_rewrapped += rewrapped;
            counts.blobs_kept += kept;
            progress(counts.progress(0, left));
            if !page.has_more {
                return Ok(());
            }
        }
    }
}
