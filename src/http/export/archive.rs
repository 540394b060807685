//! The content of the archive, in its order; docs/export.md describes the format.

use std::sync::Arc;

use actix_web::web::Bytes;
use data_encoding::BASE64;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tidelog_protocol::Timestamp;
use tidelog_protocol::limits::{MAX_BLOBS_PER_PAGE, MAX_DATA_BYTES, MAX_PAGE_BYTES};
use tokio::sync::mpsc::Sender;

use super::tar_stream::{Checksum, ExportError, TarStream};
use crate::blobs::BlobStore;
use crate::error::Fault;
use crate::http::State;
use crate::http::changes::page::EntryPage;
use crate::http::memory::MemoryPermit;
use crate::model::actors::Actor;
use crate::model::blobs::Blob;
use crate::model::cursors::BASE_SEQ;
use crate::model::export::{ExportRequester, ExportSummary};

/// Version of the format, incremented by incompatible changes.
const VERSION: u32 = 1;
/// Changes in one file, at most; if they are large, the size of a page limits them.
const CHANGES_PER_FILE: usize = 5_000;
/// Memory reserved while a page is read: a page ends after the entry that fills it.
const PAGE_MEMORY: usize = MAX_PAGE_BYTES + 2 * MAX_DATA_BYTES;

/// The export of one app.
pub(super) struct AppExport {
    state: Arc<State>,
    requester: ExportRequester,
    summary: ExportSummary,
    tar: TarStream,
    /// Memory for pages of changes.
    pages: MemoryPermit,
    /// Memory for chunks of blobs.
    transfers: MemoryPermit,
}

/// Totals of the exported changes.
#[derive(Default)]
struct ChangeTotals {
    files: u32,
    count: u64,
    checksum: Checksum,
}

/// Totals of the exported blobs.
#[derive(Default)]
struct BlobTotals {
    count: u64,
    checksum: Checksum,
    /// Names of blobs whose bytes could not be read.
    missing: Vec<String>,
}

/// Exports all that an account has, each app in a folder of its own.
pub(super) async fn export_account(
    state: Arc<State>,
    actor: Actor,
    account: Value,
    requesters: Vec<ExportRequester>,
    parts: Sender<Result<Bytes, Fault>>,
) {
    let tar = TarStream::new(parts, seconds(&state));
    let result = export_apps(state, actor, &account, requesters, &tar).await;
    finish(tar, result).await;
}

async fn export_apps(
    state: Arc<State>,
    actor: Actor,
    account: &Value,
    requesters: Vec<ExportRequester>,
    tar: &TarStream,
) -> Result<(), ExportError> {
    tar.file("account.json", json_bytes(account)).await?;
    for (number, requester) in requesters.into_iter().enumerate() {
        let summary = state.store.begin_export(actor, &requester).await?;
        let folder = tar.in_folder(&format!("app-{}/", number + 1));
        AppExport::into(folder, state.clone(), requester, summary).write().await?;
    }
    Ok(())
}

impl AppExport {
    pub(super) fn new(
        state: Arc<State>,
        requester: ExportRequester,
        summary: ExportSummary,
        parts: Sender<Result<Bytes, Fault>>,
    ) -> Self {
        Self::into(TarStream::new(parts, seconds(&state)), state, requester, summary)
    }

    fn into(tar: TarStream, state: Arc<State>, requester: ExportRequester, summary: ExportSummary) -> Self {
        let log = requester.caller.log;
        let (pages, transfers) = (state.pages.permit_for(log), state.transfers.permit_for(log));
        Self { state, requester, summary, tar, pages, transfers }
    }

    /// Writes the whole archive.
    pub(super) async fn run(mut self) {
        let result = self.write().await;
        finish(self.tar, result).await;
    }

    async fn write(&mut self) -> Result<(), ExportError> {
        self.tar.file("manifest.json", json_bytes(&self.manifest())).await?;
        self.tar.file("keys.json", json_bytes(&self.keys())).await?;
        let changes = self.changes().await?;
        let blobs = self.blobs().await?;
        self.require_same_keys().await?;
        let complete = json!({
            "complete": true,
            "changes": changes.count,
            "change_files": changes.files,
            "changes_sha256": changes.checksum.hex(),
            "blobs": blobs.count,
            "blob_bytes": blobs.checksum.bytes,
            "blobs_sha256": blobs.checksum.hex(),
            "missing_blobs": blobs.missing,
        });
        self.tar.file("complete.json", json_bytes(&complete)).await
    }

    fn manifest(&self) -> Value {
        let ExportSummary { app_name, email, devices, head_seq, total_changes, .. } = &self.summary;
        json!({
            "format": "tidelog-export",
            "version": VERSION,
            "exported_at": Timestamp::from_micros(self.state.clock.now_us()).ok(),
            "app": { "id": self.requester.caller.app, "name": app_name },
            "user": { "id": self.requester.caller.user, "email": email },
            "head_seq": head_seq,
            "total_changes": total_changes,
            "devices": devices,
        })
    }

    fn keys(&self) -> Value {
        let ExportSummary { envelope, rotation, .. } = &self.summary;
        json!({
            "current": envelope.as_ref().map(|envelope| json!({
                "encrypted_key": BASE64.encode(&envelope.encrypted_key),
                "key_version": envelope.key_version,
                "revision": envelope.revision,
            })),
            "pending": rotation.as_ref().map(|rotation| json!({
                "encrypted_key": BASE64.encode(&rotation.encrypted_key),
                "key_version": rotation.key_version,
            })),
        })
    }

    /// The log, up to its head at the beginning of the export.
    async fn changes(&mut self) -> Result<ChangeTotals, ExportError> {
        let mut totals = ChangeTotals::default();
        let (end, mut reached) = (self.summary.head_seq, BASE_SEQ);
        while reached < end {
            reserve(&mut self.pages, PAGE_MEMORY).await?;
            let range = (reached, end);
            let page =
                self.state.store.export_changes(&self.requester, range, CHANGES_PER_FILE, EntryPage::lines());
            let (last, has_more, lines) = page.await?;
            let (content, count) = lines.into_lines();
            if count > 0 {
                totals.files += 1;
                totals.count += count;
                totals.checksum.add(&content);
                self.pages.shrink_to(content.len());
                let name = format!("changes/{:06}.jsonl", totals.files);
                self.tar.file(&name, content).await?;
            }
            self.pages.shrink_to(0);
            if !has_more {
                break;
            }
            reached = last;
        }
        Ok(totals)
    }

    /// Every blob: a page of descriptions, then the bytes of each blob on it.
    async fn blobs(&mut self) -> Result<BlobTotals, ExportError> {
        let mut totals = BlobTotals::default();
        let Some(blobs) = self.state.blobs.as_ref().map(|service| service.store.clone()) else {
            return Ok(totals);
        };
        let (mut after, mut files) = (None, 0);
        loop {
            let page =
                self.state.store.list_blobs(self.requester.caller.log, after, MAX_BLOBS_PER_PAGE).await?;
            let Some(last) = page.last() else { return Ok(totals) };
            after = Some(last.hash);
            files += 1;
            let lines: Vec<u8> = page
                .iter()
                .flat_map(|blob| [json_bytes(&description(blob)), b"\n".to_vec()].concat())
                .collect();
            self.tar.file(&format!("blob-list/{files:06}.jsonl"), lines).await?;
            for blob in &page {
                self.blob(&blobs, blob, &mut totals).await?;
            }
        }
    }

    async fn blob(
        &mut self,
        blobs: &BlobStore,
        blob: &Blob,
        totals: &mut BlobTotals,
    ) -> Result<(), ExportError> {
        self.state.store.require_export_allowed(&self.requester).await?;
        let size = usize::try_from(blob.size_bytes).unwrap_or(usize::MAX);
        reserve(&mut self.transfers, BlobStore::DOWNLOAD_MEMORY.min(size)).await?;
        let mut chunks = blobs.read(blob.object, 0..blob.size_bytes);
        let name = blob.hash.to_string();
        // Read before the header is sent: one unreadable blob must not prevent the export of the others.
        let mut next = match chunks.next().await {
            Some(Err(fault)) => {
                tracing::warn!(%fault, "an export continues without a blob that could not be read");
                totals.missing.push(name);
                return Ok(());
            }
            first => first,
        };
        self.tar.begin_file(&format!("blobs/{name}"), blob.size_bytes).await?;
        while let Some(chunk) = next {
            let chunk = chunk?;
            totals.checksum.add(&chunk);
            self.tar.send(chunk).await?;
            next = chunks.next().await;
        }
        totals.count += 1;
        self.tar.end_file(blob.size_bytes).await?;
        self.transfers.shrink_to(0);
        Ok(())
    }

    /// Fails if a rotation began or ended meanwhile: changes may be encrypted under a key that is not in the archive.
    async fn require_same_keys(&self) -> Result<(), ExportError> {
        let current = self.state.store.find_key(self.requester.caller.log).await?;
        let versions = current.map_or((None, None), |(envelope, rotation)| {
            (Some(envelope.key_version), rotation.map(|rotation| rotation.key_version))
        });
        if versions == self.summary.key_versions() {
            return Ok(());
        }
        Err(Fault::Unavailable("the key was rotated during an export").into())
    }
}

/// Ends the archive, or aborts the connection if the export failed.
async fn finish(tar: TarStream, result: Result<(), ExportError>) {
    match result {
        Ok(()) => drop(tar.end().await),
        Err(ExportError::Disconnected) => {}
        Err(ExportError::Fault(fault)) => {
            tracing::warn!(%fault, "an export was aborted");
            tar.abort(fault).await;
        }
    }
}

fn seconds(state: &State) -> u64 {
    u64::try_from(state.clock.now_seconds()).unwrap_or(0)
}

async fn reserve(permit: &mut MemoryPermit, bytes: usize) -> Result<(), ExportError> {
    let full = |_| Fault::Unavailable("other requests use too much memory");
    Ok(permit.grow_to(bytes).await.map_err(full)?)
}

fn description(blob: &Blob) -> Value {
    json!({
        "hash": blob.hash.to_string(),
        "size_bytes": blob.size_bytes,
        "wrapped_key": blob.key.as_ref().map(|key| BASE64.encode(&key.wrapped_key)),
        "key_version": blob.key.as_ref().map(|key| key.key_version),
        "verified": blob.verified,
        "created_at": Timestamp::from_micros(blob.created_at).ok(),
    })
}

fn json_bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
