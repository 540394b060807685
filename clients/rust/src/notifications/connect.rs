//! Opening an event stream.

use std::time::Duration;

use reqwest::{Response, header};
use tidelog_protocol::Cursor;
use uuid::Uuid;

use crate::transport::StreamAnswer;
use crate::{Result, SyncKitClient, SyncKitError};

/// The result of an attempt to open an event stream.
pub(super) enum StreamAttempt {
    Open(Response),
    /// The server cannot be reached.
    Unreachable,
    /// The request arrived somewhere, but its answer is held back.
    HeldBack,
    /// The server has no capacity, or a proxy could not reach it. It may have said how long to wait.
    Refused(Option<Duration>),
    /// The server, or a proxy, does not support event streams.
    Unsupported,
}

impl SyncKitClient {
    /// Opens a stream of what others have written beyond `heard`.
    ///
    /// # Errors
    /// Only those that waiting does not cure.
    pub(super) async fn open_stream(&self, device_id: Uuid, heard: Cursor) -> Result<StreamAttempt> {
        let owner = self.owner()?;
        let path = format!("/subscribe?app_id={}&device_id={device_id}&cursor={heard}", owner.app_id);
        match self.stream(&path).await {
            Ok(StreamAnswer::Open(response)) if is_event_stream(&response) => {
                Ok(StreamAttempt::Open(response))
            }
            Ok(StreamAnswer::Open(_)) => Ok(StreamAttempt::Unsupported),
            Ok(StreamAnswer::TimedOut) => Ok(StreamAttempt::HeldBack),
            Ok(StreamAnswer::Retry(retry_after)) => Ok(StreamAttempt::Refused(retry_after)),
            Err(SyncKitError::NotFound) => self.explain_not_found(device_id).await,
            Err(SyncKitError::Server { status: 405, .. }) => Ok(StreamAttempt::Unsupported),
            Err(error) => failed(error),
        }
    }

    /// Finds out what was not found: the device, or the route on a server or proxy without event streams.
    async fn explain_not_found(&self, device_id: Uuid) -> Result<StreamAttempt> {
        match self.devices().await {
            Ok(devices) if devices.iter().any(|device| device.id == device_id) => {
                Ok(StreamAttempt::Unsupported)
            }
            Ok(_) => Err(SyncKitError::DeviceRevoked),
            Err(error) => failed(error),
        }
    }
}

fn failed(error: SyncKitError) -> Result<StreamAttempt> {
    match error {
        // The session could not be refreshed.
        SyncKitError::RateLimited { retry_after } => Ok(StreamAttempt::Refused(retry_after)),
        error if is_temporary(&error) => Ok(StreamAttempt::Unreachable),
        error => Err(error),
    }
}

/// Whether the server merely cannot answer at the moment.
pub(super) fn is_temporary(error: &SyncKitError) -> bool {
    match error {
        SyncKitError::Network(_) | SyncKitError::RateLimited { .. } | SyncKitError::BadAnswer(_) => true,
        SyncKitError::Server { status, .. } => *status >= 500,
        _ => false,
    }
}

fn is_event_stream(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.split(';').next().unwrap_or_default().trim() == "text/event-stream")
}
