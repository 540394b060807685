//! The bytes of blobs, on disk or on S3. The only place that knows object_store.
//!
//! Objects bear ids that are made for them and never used again: `pending/<id>` while an upload is not confirmed, then
//! `blobs/<first two digits>/<id>`. Which blob that is, and whose, only the database knows; so two uploads, or an upload and a
//! deletion, never meet in one object, and nothing here has to be locked.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "this folder owns object_store")]

mod backend;
mod confirm;
mod incoming;
mod reading;
mod sweep;

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::signer::{Method, Signer};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use thiserror::Error;
use tidelog_protocol::limits::BLOB_URL_SECONDS;
use uuid::Uuid;

pub use confirm::{Confirmation, Outcome, confirm};
pub use incoming::Incoming;
pub use reading::Bytes;
pub use sweep::{Sweep, Swept};

use crate::config::BlobSettings;
use crate::error::Fault;
use crate::model::blobs::{Content, Place};
use backend::{Backend, fault};

/// Folder of blobs inside a data folder.
const FOLDER: &str = "blobs";
/// How long a presigned address is good.
const SIGNED_FOR: Duration = Duration::from_secs(BLOB_URL_SECONDS as u64);

/// Why a store of blobs could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Its folder could not be made or read.
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// The settings do not fit together.
    #[error("[blobs]: {0}")]
    Settings(String),
}

/// A store of blobs. Cheap to clone.
#[derive(Clone)]
pub struct Blobs(Arc<Inner>);

struct Inner {
    objects: Arc<dyn ObjectStore>,
    /// Signs addresses at which clients reach the store themselves. `None`: the bytes pass through this server.
    signer: Option<Arc<dyn Signer>>,
    /// The folder, if the store is one.
    folder: Option<PathBuf>,
}

fn name(object: Uuid, place: Place) -> Path {
    let id = object.simple().to_string();
    match place {
        Place::Pending => Path::from_iter(["pending", &id]),
        Place::Final => Path::from_iter(["blobs", &id[..2], &id]),
    }
}

/// The object that a name in the store stands for; whatever else lies there is none of ours.
fn object_of(meta: &ObjectMeta) -> Option<Uuid> {
    Uuid::parse_str(meta.location.filename()?).ok()
}

impl Blobs {
    /// The store that the settings name, for a data folder. `None`: this server takes no blobs.
    ///
    /// # Errors
    /// See [`OpenError`]. Whether an S3 store answers is seen when it is first used.
    pub fn open(settings: &BlobSettings, data: &FilePath) -> Result<Option<Self>, OpenError> {
        let backend = Backend::open(settings, &data.join(FOLDER))?;
        Ok(backend
            .map(|Backend { objects, signer, folder }| Self(Arc::new(Inner { objects, signer, folder }))))
    }

    /// Removes what uploads that were cut off by a crash have left on the disk. Only while nothing is being uploaded.
    ///
    /// # Errors
    /// A fault of the disk.
    pub async fn clear_unfinished(&self) -> Result<(), Fault> {
        let Some(folder) = self.0.folder.clone() else { return Ok(()) };
        let clear = move || backend::clear_unfinished(&folder).map_err(Fault::internal);
        tokio::task::spawn_blocking(clear).await.map_err(Fault::internal)?
    }

    /// Where a client can `PUT` an object itself. `None`: only through this server.
    ///
    /// # Errors
    /// The credentials could not be had.
    pub async fn upload_url(&self, object: Uuid) -> Result<Option<String>, Fault> {
        self.signed(Method::PUT, &name(object, Place::Pending)).await
    }

    /// Where a client can `GET` a blob's object itself. `None`: only through this server.
    ///
    /// # Errors
    /// The credentials could not be had.
    pub async fn download_url(&self, object: Uuid) -> Result<Option<String>, Fault> {
        self.signed(Method::GET, &name(object, Place::Final)).await
    }

    async fn signed(&self, method: Method, path: &Path) -> Result<Option<String>, Fault> {
        let Some(signer) = &self.0.signer else { return Ok(None) };
        let url = signer.signed_url(method, path, SIGNED_FOR).await.map_err(fault)?;
        Ok(Some(url.into()))
    }

    /// Begins to take in an object, of this size at most.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn receive(&self, object: Uuid, max_bytes: u64) -> Result<Incoming, Fault> {
        let upload = self.0.objects.put_multipart(&name(object, Place::Pending)).await.map_err(fault)?;
        Ok(Incoming::new(upload, self.part_bytes(max_bytes)))
    }

    /// Bytes of an upload that are sent on at a time.
    fn part_bytes(&self, max_bytes: u64) -> usize {
        if self.0.folder.is_some() { incoming::DISK_PART_BYTES } else { incoming::s3_part_bytes(max_bytes) }
    }

    /// Bytes of memory that an upload of this size takes.
    pub fn upload_memory(&self, max_bytes: u64) -> usize {
        // One part is sent on while the next one gathers.
        2 * self.part_bytes(max_bytes)
    }

    /// Moves a pending object to its final place; it is there durably when this returns. Once it is there, this changes nothing.
    /// `false`: it is in neither place.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn publish(&self, object: Uuid) -> Result<bool, Fault> {
        let (from, to) = (name(object, Place::Pending), name(object, Place::Final));
        match self.0.objects.rename(&from, &to).await {
            Ok(()) => Ok(true),
            // An earlier confirmation may have got this far.
            Err(object_store::Error::NotFound { .. }) => Ok(self.look(object, Place::Final).await?.is_some()),
            Err(error) => Err(fault(error)),
        }
    }

    /// Bytes of an object. `None`: it is not there.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn look(&self, object: Uuid, place: Place) -> Result<Option<u64>, Fault> {
        match self.0.objects.head(&name(object, place)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(fault(error)),
        }
    }

    /// What is in an object in its final place; reads it whole to hash it, if asked to. `None`: it is not there.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn content(&self, object: Uuid, hashed: bool) -> Result<Option<Content>, Fault> {
        let Some(bytes) = self.look(object, Place::Final).await? else { return Ok(None) };
        let hash = if hashed { Some(reading::hash(self, object, bytes).await?) } else { None };
        Ok(Some(Content { bytes, hash }))
    }

    /// Deletes an object; one that is not there is no fault.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn delete(&self, object: Uuid, place: Place) -> Result<(), Fault> {
        match self.0.objects.delete(&name(object, place)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(fault(error)),
        }
    }

    /// Every object of a part of the store, with the time of its last change in microseconds since 1970.
    fn list(&self, part: &Path) -> BoxStream<'static, Result<(Uuid, i64), Fault>> {
        let objects = self.0.objects.list(Some(part)).filter_map(async |meta| match meta {
            Ok(meta) => object_of(&meta).map(|object| Ok((object, meta.last_modified.timestamp_micros()))),
            // It went while the list was made.
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => Some(Err(fault(error))),
        });
        objects.boxed()
    }
}
