//! Opening and closing a store.

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, RwLock};

use super::batch_buffer::BatchBuffer;
use super::device_progress::DeviceProgress;
use super::failure_buffer::FailureBuffer;
use super::readers::Readers;
use super::session_devices::SessionDevices;
use super::shared::Shared;
use super::{OpenError, Options, Store, changes, epochs, filesystem, lock, migrations, writer};
use crate::clock::Clock;
use crate::notify::Hub;

impl Store {
    /// Opens the database of a data folder, creating or migrating it as needed, and starts its writer.
    ///
    /// # Errors
    /// See [`OpenError`]. A database that was refused is left as it was.
    pub fn open(options: Options, clock: Clock, hub: Hub) -> Result<Self, OpenError> {
        let lock = lock::DataLock::take(&options.data)?;
        filesystem::refuse_network(&options)?;
        let connection = migrations::open_current(&options, &clock)?;
        let readers = Readers::new(&options)?;
        let shared = Arc::new(Shared {
            head: AtomicI64::new(epochs::newest_seq(&connection)?),
            epochs: RwLock::new(None),
            proven_until_us: AtomicI64::new(0),
            progress: DeviceProgress::default(),
            session_devices: SessionDevices::default(),
            buffer: BatchBuffer::default(),
            failures: FailureBuffer::default(),
            options,
            clock,
            hub,
        });
        shared.buffer.load(&connection)?;
        if shared.options.serving {
            epochs::begin(&connection, &shared)?;
        }
        let writer = writer::start(connection, lock, shared.clone(), readers.clone())?;
        Ok(Self { shared, readers, writer })
    }

    /// Writes what is still in memory, truncates the write-ahead log and closes the file. Later operations fail with
    /// [`Fault::Unavailable`](crate::error::Fault::Unavailable).
    pub async fn close(&self) {
        if let Err(fault) = self.flush_device_progress().await {
            tracing::warn!(%fault, "could not write the progress of devices at shutdown");
        }
        if let Err(fault) = self.flush_failures().await {
            tracing::warn!(%fault, "could not write failed sign-ins at shutdown");
        }
        // So that the next start has no buffer to load.
        if let Err(fault) = self.write(1, changes::flush_all).await {
            tracing::warn!(%fault, "could not flush the batch buffer at shutdown");
        }
        self.readers.pause();
        self.writer.close().await;
    }
}
