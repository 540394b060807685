//! How much the user's log holds, and the server's limits.

use std::sync::{Mutex, PoisonError};

use tidelog_protocol::{Limits, StatusResponse, limits::DEFAULT_BODY_BYTES};

use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

/// The server's limits, fetched once.
#[derive(Default)]
pub(crate) struct ServerLimits(Mutex<Option<Limits>>);

impl ServerLimits {
    fn get(&self) -> Option<Limits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, limits: Option<Limits>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Fetches them again next time: the server has just shown that it takes less than was known.
    pub(crate) fn forget(&self) {
        self.set(None);
    }
}

impl SyncKitClient {
    /// Returns what the user's log in this app holds: changes, bytes, devices, newest cursor.
    ///
    /// # Errors
    /// Those of every request.
    pub async fn status(&self) -> Result<StatusResponse> {
        self.fetch(&Request::get("/status")).await
    }

    /// Returns the limits of the server; those of the protocol for a server that does not tell its own.
    pub(crate) async fn limits(&self) -> Result<Limits> {
        if let Some(limits) = self.limits.get() {
            return Ok(limits);
        }
        let limits = match self.transport.fetch(&Request::get("/limits"), None).await {
            Ok(limits) => limits,
            Err(error @ (SyncKitError::Network(_) | SyncKitError::RateLimited { .. })) => return Err(error),
            Err(_) => Limits::with_body_cap(DEFAULT_BODY_BYTES),
        };
        self.limits.set(Some(limits.clone()));
        Ok(limits)
    }
}
