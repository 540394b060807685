//! What all parts of an open store share.

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, PoisonError, RwLock};

use super::batch_buffer::BatchBuffer;
use super::device_progress::DeviceProgress;
use super::failure_buffer::FailureBuffer;
use super::options::Options;
use super::session_devices::SessionDevices;
use crate::clock::Clock;
use crate::error::Fault;
use crate::model::cursors::Epochs;
use crate::notify::Hub;

/// What the writer, the readers and maintenance share.
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) clock: Clock,
    pub(super) hub: Hub,
    pub(super) epochs: RwLock<Option<Arc<Epochs>>>,
    /// The newest committed seq of the whole database.
    pub(super) head: AtomicI64,
    /// Until when the last proof that the database can be written is valid, microseconds since 1970.
    pub(super) proven_until_us: AtomicI64,
    pub(super) progress: DeviceProgress,
    pub(super) session_devices: SessionDevices,
    pub(super) buffer: BatchBuffer,
    pub(super) failures: FailureBuffer,
}

impl Shared {
    pub(super) fn epochs(&self) -> Result<Arc<Epochs>, Fault> {
        let epochs = self.epochs.read().unwrap_or_else(PoisonError::into_inner).clone();
        epochs.ok_or(Fault::Unavailable("the store is open for commands only"))
    }
}
