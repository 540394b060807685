//! Rows of blobs, uploads and removed objects. The objects themselves are in `crate::blobs`.
//!
//! An object is created before its row and deleted after it: when a blob is removed, `removed_objects` remembers the
//! object until it can be deleted.

mod confirm;
mod confirmed;
mod objects;
mod removal;
mod sweep;
mod uploads;

pub use confirm::{CheckedUpload, ConfirmUploadOutcome, Confirmable};
pub use objects::RemovedObject;
pub(super) use removal::remove_some_of_user;
pub use sweep::StoredBlob;
pub use uploads::{GrantOutcome, NewUpload};
