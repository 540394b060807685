//! The two kinds of store: a folder on disk, or an S3 bucket.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::local::LocalFileSystem;
use object_store::signer::Signer;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use thiserror::Error;

use crate::config::{BlobBackend, BlobSettings, S3Settings};
use crate::error::Fault;

/// Bytes that S3 copies in one request, which is how an object moves to its final location.
const MAX_COPY_BYTES: u64 = 5 * 1024 * 1024 * 1024;
/// Timeout for connecting to S3.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout for each read from S3. Long, since S3 copies an object of gigabytes before it answers.
const READ_TIMEOUT: Duration = Duration::from_secs(120);
/// Retries of a request to S3, and how long they may take together: a client is waiting for the answer.
const MAX_RETRIES: usize = 3;
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);

/// Why a blob store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Its folder could not be created or read.
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// The settings contradict each other.
    #[error("[blobs]: {0}")]
    Settings(String),
}

/// An open store.
pub(super) struct Backend {
    pub(super) objects: Arc<dyn ObjectStore>,
    /// Presigns URLs with which clients reach the store themselves. `None` if the bytes pass through this server.
    pub(super) signer: Option<Arc<dyn Signer>>,
    /// The folder of a store on disk.
    pub(super) folder: Option<PathBuf>,
}

impl Backend {
    pub(super) fn open(settings: &BlobSettings, folder: &Path) -> Result<Option<Self>, OpenError> {
        match settings.backend {
            BlobBackend::None => Ok(None),
            BlobBackend::Disk => on_disk(folder).map(Some),
            BlobBackend::S3 if settings.max_blob_bytes > MAX_COPY_BYTES => {
                let reason = format!("blobs.max_blob_bytes must be at most {MAX_COPY_BYTES} on S3");
                Err(OpenError::Settings(reason))
            }
            BlobBackend::S3 => on_s3(&settings.s3).map(Some),
        }
    }
}

fn on_disk(folder: &Path) -> Result<Backend, OpenError> {
    // Synced at once: files in a folder are lost with the name of the folder itself.
    let created = fs::create_dir_all(folder).and_then(|()| match folder.parent() {
        Some(parent) => fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    });
    created.map_err(|error| OpenError::Io(folder.into(), error))?;
    let objects = LocalFileSystem::new_with_prefix(folder)
        .map_err(|error| OpenError::Io(folder.into(), std::io::Error::other(error)))?
        .with_fsync(true);
    Ok(Backend { objects: Arc::new(objects), signer: None, folder: Some(folder.into()) })
}

fn on_s3(settings: &S3Settings) -> Result<Backend, OpenError> {
    if settings.bucket.is_empty() {
        return Err(OpenError::Settings("blobs.s3.bucket is required".into()));
    }
    if settings.access_key_id.is_empty() != settings.secret_access_key.expose().is_empty() {
        let reason = "blobs.s3.access_key_id and blobs.s3.secret_access_key must be set together";
        return Err(OpenError::Settings(reason.into()));
    }
    let endpoint = settings.endpoint.as_deref();
    let objects = Arc::new(bucket(settings, endpoint)?);
    let signer: Option<Arc<dyn Signer>> = match (settings.proxy_transfers, &settings.public_endpoint) {
        (true, _) => None,
        (false, None) => Some(objects.clone()),
        (false, Some(public)) => Some(Arc::new(bucket(settings, Some(public))?)),
    };
    Ok(Backend { objects, signer, folder: None })
}

fn bucket(settings: &S3Settings, endpoint: Option<&str>) -> Result<AmazonS3, OpenError> {
    crate::tls::use_ring();
    let client = ClientOptions::new()
        // A large object may take any time.
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(READ_TIMEOUT);
    let retry =
        RetryConfig { max_retries: MAX_RETRIES, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new()
        .with_client_options(client)
        .with_retry(retry)
        .with_region(&settings.region)
        .with_bucket_name(&settings.bucket)
        .with_virtual_hosted_style_request(!settings.path_style)
        // Objects are deleted one at a time, with the request that every S3 store supports.
        .with_disable_bulk_delete(true);
    if let Some(endpoint) = endpoint {
        let url = match endpoint.split_once("://") {
            Some((scheme, host)) if !settings.path_style => format!("{scheme}://{}.{host}", settings.bucket),
            _ => endpoint.into(),
        };
        builder = builder.with_allow_http(url.starts_with("http://")).with_endpoint(url);
    }
    if !settings.access_key_id.is_empty() {
        builder = builder
            .with_access_key_id(&settings.access_key_id)
            .with_secret_access_key(settings.secret_access_key.expose());
    }
    builder.build().map_err(|error| OpenError::Settings(error.to_string()))
}

/// Deletes the temporary files of uploads, which the library marks with a `#`.
pub(super) fn clear_unfinished(folder: &Path) -> std::io::Result<()> {
    let entries = match fs::read_dir(folder.join("pending")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().contains('#') {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Converts an error of the store to what it means for a caller.
pub(super) fn fault(error: object_store::Error) -> Fault {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::StorageFull)
        {
            return Fault::StorageFull;
        }
        cause = error.source();
    }
    match error {
        object_store::Error::Generic { store: "S3", source } => {
            tracing::warn!(%source, "the blob store failed");
            Fault::Unavailable("the blob store does not answer")
        }
        other => Fault::internal(other),
    }
}
