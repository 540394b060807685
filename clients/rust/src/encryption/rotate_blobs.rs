//! The part of a rotation that is about blobs: their keys are wrapped under the next master key, page by page. The blobs themselves
//! are not looked at.

use tidelog_protocol::{
    RotationBatchResponse, RotationBlobsBatchRequest, RotationBlobsRequest, RotationBlobsResponse,
    limits::MAX_BLOBS_PER_PAGE,
};

use super::reseal::Treatment;
use super::rotate::{RotationProgress, Tally};
use crate::blocking::blocking;
use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

/// Bytes of a batch's JSON for each blob, at most: its name, its key, and what stands around them.
const BLOB_BYTES: usize = 256;

impl SyncKitClient {
    /// Wraps all keys of blobs that are left now, page by page.
    pub(super) async fn one_round_of_blobs(
        &self,
        treatment: &Treatment,
        key_version: u32,
        progress: &mut (impl FnMut(RotationProgress) + Send),
        tally: &mut Tally,
    ) -> Result<()> {
        let limit = (self.limits().await?.max_body_bytes / BLOB_BYTES).clamp(1, MAX_BLOBS_PER_PAGE);
        let mut after: Option<String> = None;
        loop {
            let request = RotationBlobsRequest { after: after.clone(), limit: Some(limit) };
            let page: RotationBlobsResponse =
                match self.fetch(&Request::post("/keys/rotate/blobs", &request)?).await {
                    // A server from before there were blobs, or without a place for them.
                    Err(SyncKitError::NotFound | SyncKitError::NoBlobs) => return Ok(()),
                    answer => answer?,
                };
            let Some(last) = page.blobs.last().map(|blob| blob.hash.clone()) else { return Ok(()) };
            if after.is_some_and(|after| after >= last) {
                return Err(SyncKitError::BadAnswer(String::from("pages of blobs that do not go on")));
            }
            after = Some(last);
            let (treatment, to_wrap) = (treatment.clone(), page.blobs);
            let blobs = blocking(move || {
                Ok(to_wrap.into_iter().map(|blob| treatment.of_blob(blob)).collect::<Vec<_>>())
            })
            .await?;
            let kept = blobs.iter().filter(|blob| blob.keep).count() as u64;
            let rewrapped = blobs.len() as u64 - kept;
            // The key is named, as the rotation may have given way to another one meanwhile.
            let batch = RotationBlobsBatchRequest { key_version: Some(key_version), blobs };
            let request = Request::post("/keys/rotate/blobs/batch", &batch)?;
            let left = self.fetch::<RotationBatchResponse>(&request).await?.remaining;
            tally.blobs_rewrapped += rewrapped;
            tally.blobs_kept += kept;
            progress(tally.progress(0, left));
            if !page.has_more {
                return Ok(());
            }
        }
    }
}
