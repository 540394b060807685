//! The bytes of blobs, on disk or in an S3 bucket. The only folder that uses object_store.
//!
//! Objects have random ids that are never reused: `pending/<id>` until an upload is confirmed, then `blobs/<first two
//! digits>/<id>`. Only the database knows which blob an object holds, and whose it is. So two uploads, or an upload
//! and a deletion, never meet in one object, and nothing here needs a lock.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "this folder owns object_store")]

mod backend;
mod confirm;
mod read;
mod store;
mod sweep;
mod write;

pub use backend::OpenError;
pub use confirm::{ConfirmOutcome, ConfirmRequest, confirm};
pub use read::Bytes;
pub use store::BlobStore;
pub use sweep::{SweepReport, Sweeper, hours_to_us};
pub use write::ObjectWriter;
