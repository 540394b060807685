//! What is in the archive, in its order; docs/export.md describes it for whoever reads one.

use std::sync::Arc;

use actix_web::web::Bytes;
use data_encoding::BASE64;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tidelog_protocol::Timestamp;
use tidelog_protocol::limits::{MAX_BLOBS_PER_PAGE, MAX_DATA_BYTES, MAX_PAGE_BYTES};
use tokio::sync::mpsc::Sender;

use super::pieces::{Broken, Pieces, Sum};
use crate::blobs::BlobStore;
use crate::error::Fault;
use crate::http::State;
use crate::http::changes::page::EntryPage;
use crate::http::memory::Room;
use crate::model::actors::Actor;
use crate::model::blobs::Blob;
use crate::model::cursors::BASE_SEQ;
use crate::model::export::{Outline, Taker};

/// Of the archive. It is raised when a reader of older ones would go wrong.
const VERSION: u32 = 1;
/// Changes in one file, at most; they end at the size of a page before, if they are large.
const CHANGES_PER_FILE: usize = 5_000;
/// Memory while a page is read: it ends after the entry that fills it.
const PAGE_MEMORY: usize = MAX_PAGE_BYTES + 2 * MAX_DATA_BYTES;

/// An archive in the making.
pub(super) struct Archive {
    state: Arc<State>,
    taker: Taker,
    outline: Outline,
    pieces: Pieces,
    /// What the changes take that are on their way.
    pages: Room,
    /// What the blobs do.
    transfers: Room,
}

/// What came of the changes.
#[derive(Default)]
struct Changes {
    files: u32,
    count: u64,
    sum: Sum,
}

/// What came of the blobs.
#[derive(Default)]
struct BlobFiles {
    count: u64,
    sum: Sum,
    /// Those whose bytes could not be read.
    missing: Vec<String>,
}

impl Archive {
    pub(super) fn new(
        state: Arc<State>,
        taker: Taker,
        outline: Outline,
        pieces: Sender<Result<Bytes, Fault>>,
    ) -> Self {
        let pieces = Pieces::new(pieces, seconds(&state));
        Self::within(state, taker, outline, pieces)
    }

    fn within(state: Arc<State>, taker: Taker, outline: Outline, pieces: Pieces) -> Self {
        let log = taker.caller.log;
        let (pages, transfers) = (state.pages.room_of(log), state.transfers.room_of(log));
        Self { pieces, state, taker, outline, pages, transfers }
    }

    /// Makes all of it.
    pub(super) async fn make(mut self) {
        let made = self.files().await;
        finish(self.pieces, made).await;
    }

    /// Makes one of all that an account has, each app in a folder of its own.
    pub(super) async fn make_of_account(
        state: Arc<State>,
        actor: Actor,
        account: Value,
        takers: Vec<Taker>,
        pieces: Sender<Result<Bytes, Fault>>,
    ) {
        let pieces = Pieces::new(pieces, seconds(&state));
        let made = Self::all(state, actor, &account, takers, &pieces).await;
        finish(pieces, made).await;
    }

    async fn all(
        state: Arc<State>,
        actor: Actor,
        account: &Value,
        takers: Vec<Taker>,
        pieces: &Pieces,
    ) -> Result<(), Broken> {
        pieces.file("account.json", text(account)).await?;
        for (number, taker) in takers.into_iter().enumerate() {
            let outline = state.store.outline(actor, &taker).await?;
            let folder = pieces.in_folder(&format!("app-{}/", number + 1));
            Self::within(state.clone(), taker, outline, folder).files().await?;
        }
        Ok(())
    }

    async fn files(&mut self) -> Result<(), Broken> {
        self.pieces.file("manifest.json", text(&self.manifest())).await?;
        self.pieces.file("keys.json", text(&self.keys())).await?;
        let changes = self.changes().await?;
        let blobs = self.blobs().await?;
        self.require_the_same_keys().await?;
        let complete = json!({
            "complete": true,
            "changes": changes.count,
            "change_files": changes.files,
            "changes_sha256": changes.sum.hex(),
            "blobs": blobs.count,
            "blob_bytes": blobs.sum.bytes,
            "blobs_sha256": blobs.sum.hex(),
            "missing_blobs": blobs.missing,
        });
        self.pieces.file("complete.json", text(&complete)).await
    }

    fn manifest(&self) -> Value {
        let Outline { app_name, email, devices, head_seq, total_changes, .. } = &self.outline;
        json!({
            "format": "tidelog-export",
            "version": VERSION,
            "exported_at": Timestamp::from_micros(self.state.clock.now_us()).ok(),
            "app": { "id": self.taker.caller.app, "name": app_name },
            "user": { "id": self.taker.caller.user, "email": email },
            "head_seq": head_seq,
            "total_changes": total_changes,
            "devices": devices,
        })
    }

    fn keys(&self) -> Value {
        let Outline { envelope, pending, .. } = &self.outline;
        json!({
            "current": envelope.as_ref().map(|envelope| json!({
                "encrypted_key": BASE64.encode(&envelope.encrypted_key),
                "key_version": envelope.key_version,
                "revision": envelope.revision,
            })),
            "pending": pending.as_ref().map(|pending| json!({
                "encrypted_key": BASE64.encode(&pending.encrypted_key),
                "key_version": pending.key_version,
            })),
        })
    }

    /// The log, up to where it ended when the archive was begun.
    async fn changes(&mut self) -> Result<Changes, Broken> {
        let mut written = Changes::default();
        let (end, mut reached) = (self.outline.head_seq, BASE_SEQ);
        while reached < end {
            grow(&mut self.pages, PAGE_MEMORY).await?;
            let range = (reached, end);
            let page =
                self.state.store.export_changes(&self.taker, range, CHANGES_PER_FILE, EntryPage::lines());
            let (last, has_more, lines) = page.await?;
            let (content, count) = lines.into_lines();
            if count > 0 {
                written.files += 1;
                written.count += count;
                written.sum.add(&content);
                self.pages.shrink_to(content.len());
                let name = format!("changes/{:06}.jsonl", written.files);
                self.pieces.file(&name, content).await?;
            }
            self.pages.shrink_to(0);
            if !has_more {
                break;
            }
            reached = last;
        }
        Ok(written)
    }

    /// Every blob: a page of what is known of some, then the bytes of each.
    async fn blobs(&mut self) -> Result<BlobFiles, Broken> {
        let mut written = BlobFiles::default();
        let Some(blobs) = self.state.blobs.as_ref().map(|service| service.store.clone()) else {
            return Ok(written);
        };
        let (mut after, mut files) = (None, 0);
        loop {
            let page = self.state.store.list_blobs(self.taker.caller.log, after, MAX_BLOBS_PER_PAGE).await?;
            let Some(last) = page.last() else { return Ok(written) };
            after = Some(last.hash);
            files += 1;
            let lines: Vec<u8> =
                page.iter().flat_map(|blob| [text(&about(blob)), b"\n".to_vec()].concat()).collect();
            self.pieces.file(&format!("blob-list/{files:06}.jsonl"), lines).await?;
            for blob in &page {
                self.blob(&blobs, blob, &mut written).await?;
            }
        }
    }

    async fn blob(&mut self, blobs: &BlobStore, blob: &Blob, written: &mut BlobFiles) -> Result<(), Broken> {
        self.state.store.require_taker(&self.taker).await?;
        let size = usize::try_from(blob.size_bytes).unwrap_or(usize::MAX);
        grow(&mut self.transfers, BlobStore::DOWNLOAD_MEMORY.min(size)).await?;
        let mut parts = blobs.read(blob.object, 0..blob.size_bytes);
        let name = blob.hash.to_string();
        // Before its head: what cannot be read must not keep the rest from being taken along.
        let mut next = match parts.next().await {
            Some(Err(fault)) => {
                tracing::warn!(%fault, "an export goes on without a blob");
                written.missing.push(name);
                return Ok(());
            }
            first => first,
        };
        self.pieces.begin(&format!("blobs/{name}"), blob.size_bytes).await?;
        while let Some(part) = next {
            let part = part?;
            written.sum.add(&part);
            self.pieces.put(part).await?;
            next = parts.next().await;
        }
        written.count += 1;
        self.pieces.end_file(blob.size_bytes).await?;
        self.transfers.shrink_to(0);
        Ok(())
    }

    /// A rotation that began or ended meanwhile may have put changes under a key that is not in the archive.
    async fn require_the_same_keys(&self) -> Result<(), Broken> {
        let now = self.state.store.find_key(self.taker.caller.log).await?;
        let versions = now.map_or((None, None), |(envelope, pending)| {
            (Some(envelope.key_version), pending.map(|pending| pending.key_version))
        });
        if versions == self.outline.key_versions() {
            return Ok(());
        }
        Err(Fault::Unavailable("the key was rotated during an export").into())
    }
}

/// The end of an archive, or of the connection where there is none to be had.
async fn finish(pieces: Pieces, made: Result<(), Broken>) {
    match made {
        Ok(()) => drop(pieces.end().await),
        Err(Broken::Gone) => {}
        Err(Broken::Fault(fault)) => {
            tracing::warn!(%fault, "an export was broken off");
            pieces.break_off(fault).await;
        }
    }
}

fn seconds(state: &State) -> u64 {
    u64::try_from(state.clock.now_seconds()).unwrap_or(0)
}

async fn grow(room: &mut Room, bytes: usize) -> Result<(), Broken> {
    let full = |_| Fault::Unavailable("too much memory is held by other requests");
    Ok(room.grow_to(bytes).await.map_err(full)?)
}

fn about(blob: &Blob) -> Value {
    json!({
        "hash": blob.hash.to_string(),
        "size_bytes": blob.size_bytes,
        "wrapped_key": blob.key.as_ref().map(|key| BASE64.encode(&key.wrapped_key)),
        "key_version": blob.key.as_ref().map(|key| key.key_version),
        "verified": blob.verified,
        "created_at": Timestamp::from_micros(blob.created_at).ok(),
    })
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
