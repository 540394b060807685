//! How much the user's log holds, and the server's limits.

use tidelog_protocol::{Limits, StatusResponse, limits::DEFAULT_BODY_BYTES};

use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

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
