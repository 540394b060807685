//! The blob store: objects by id and location.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::signer::Method;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use tidelog_protocol::limits::BLOB_URL_SECONDS;
use uuid::Uuid;

use super::backend::{self, Backend, OpenError, fault};
use super::write::{self, ObjectWriter};
use crate::config::BlobSettings;
use crate::error::Fault;
use crate::model::blobs::Location;

/// Folder of the blobs in a data folder.
const FOLDER: &str = "blobs";
/// How long a presigned URL is valid.
const PRESIGNED_LIFETIME: Duration = Duration::from_secs(BLOB_URL_SECONDS as u64);

/// A store of objects. Cheap to clone.
#[derive(Clone)]
pub struct BlobStore(Arc<Backend>);

/// The path of an object in the store.
pub(super) fn path(object: Uuid, location: Location) -> Path {
    let id = object.simple().to_string();
    match location {
        Location::Pending => Path::from_iter(["pending", &id]),
        Location::Final => Path::from_iter(["blobs", &id[..2], &id]),
    }
}

/// The id of a listed object. `None` for files that are not ours.
fn object_of(meta: &ObjectMeta) -> Option<Uuid> {
    Uuid::parse_str(meta.location.filename()?).ok()
}

impl BlobStore {
    /// Opens the store that the settings name. `None` if the server stores no blobs.
    ///
    /// # Errors
    /// See [`OpenError`]. Whether an S3 store answers shows when it is first used.
    pub fn open(settings: &BlobSettings, data: &FilePath) -> Result<Option<Self>, OpenError> {
        let backend = Backend::open(settings, &data.join(FOLDER))?;
        Ok(backend.map(|backend| Self(Arc::new(backend))))
    }

    /// The object store of the library.
    pub(super) fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.0.objects
    }

    /// Whether the objects are files on this machine.
    pub(super) fn is_on_disk(&self) -> bool {
        self.0.folder.is_some()
    }

    /// Deletes what interrupted uploads left on the disk when the server crashed. Nothing may be uploading meanwhile.
    pub async fn clear_unfinished(&self) -> Result<(), Fault> {
        let Some(folder) = self.0.folder.clone() else { return Ok(()) };
        let clear = move || backend::clear_unfinished(&folder).map_err(Fault::internal);
        tokio::task::spawn_blocking(clear).await.map_err(Fault::internal)?
    }

    /// Returns a presigned URL to which a client can `PUT` a pending object. `None` if uploads pass through this
    /// server.
    pub async fn upload_url(&self, object: Uuid) -> Result<Option<String>, Fault> {
        self.presign(Method::PUT, &path(object, Location::Pending)).await
    }

    /// Returns a presigned URL from which a client can `GET` the object of a blob. `None` if downloads pass through
    /// this server.
    pub async fn download_url(&self, object: Uuid) -> Result<Option<String>, Fault> {
        self.presign(Method::GET, &path(object, Location::Final)).await
    }

    async fn presign(&self, method: Method, path: &Path) -> Result<Option<String>, Fault> {
        let Some(signer) = &self.0.signer else { return Ok(None) };
        let url = signer.signed_url(method, path, PRESIGNED_LIFETIME).await.map_err(fault)?;
        Ok(Some(url.into()))
    }

    /// Starts to write a pending object of at most this size.
    pub async fn write(&self, object: Uuid, max_bytes: u64) -> Result<ObjectWriter, Fault> {
        let upload = self.0.objects.put_multipart(&path(object, Location::Pending)).await.map_err(fault)?;
        Ok(ObjectWriter::new(upload, self.part_bytes(max_bytes)))
    }

    /// Size of the parts in which an object is written.
    fn part_bytes(&self, max_bytes: u64) -> usize {
        if self.is_on_disk() { write::DISK_PART_BYTES } else { write::s3_part_bytes(max_bytes) }
    }

    /// Returns the bytes of memory that an upload of this size takes.
    pub fn upload_memory(&self, max_bytes: u64) -> usize {
        // One part is being sent while the next one fills.
        2 * self.part_bytes(max_bytes)
    }

    /// Moves a pending object to its final location, where it is durable when this returns. Idempotent. `false` if
    /// the object is in neither location.
    pub async fn publish(&self, object: Uuid) -> Result<bool, Fault> {
        let (from, to) = (path(object, Location::Pending), path(object, Location::Final));
        match self.0.objects.rename(&from, &to).await {
            Ok(()) => Ok(true),
            // An earlier confirmation may have got this far.
            Err(object_store::Error::NotFound { .. }) => {
                Ok(self.size_of(object, Location::Final).await?.is_some())
            }
            Err(error) => Err(fault(error)),
        }
    }

    /// Returns the size of an object in bytes. `None` if it does not exist.
    pub async fn size_of(&self, object: Uuid, location: Location) -> Result<Option<u64>, Fault> {
        match self.0.objects.head(&path(object, location)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(fault(error)),
        }
    }

    /// Deletes an object, if it exists.
    pub async fn delete(&self, object: Uuid, location: Location) -> Result<(), Fault> {
        match self.0.objects.delete(&path(object, location)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(fault(error)),
        }
    }

    /// Lists the objects under a path, each with the time of its last change in microseconds since 1970.
    pub(super) fn list(&self, path: &Path) -> BoxStream<'static, Result<(Uuid, i64), Fault>> {
        let objects = self.0.objects.list(Some(path)).filter_map(async |meta| match meta {
            Ok(meta) => object_of(&meta).map(|object| Ok((object, meta.last_modified.timestamp_micros()))),
            // It was deleted while the list was made.
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => Some(Err(fault(error))),
        });
        objects.boxed()
    }
}
