//! Opening a stream, and what the answer means.

use std::time::Duration;

use reqwest::{Response, header};
use tidelog_protocol::Cursor;
use uuid::Uuid;

use crate::transport::Streaming;
use crate::{Result, SyncKitClient, SyncKitError};

/// What became of an attempt to open a stream.
pub(super) enum Opened {
    /// The server talks.
    Stream(Response),
    /// Nobody could be reached.
    OutOfReach,
    /// Somebody has taken the request, and keeps the answer to himself.
    HeldBack,
    /// Not now: the server has no room, or somebody on the way has not reached it. It may have been said how long to wait.
    Refused(Option<Duration>),
    /// Somebody on the way, or the server, has no streams.
    NoStreams,
}

impl SyncKitClient {
    /// Opens a stream of what others have written beyond `heard`.
    ///
    /// # Errors
    /// What waiting would not mend.
    pub(super) async fn open_stream(&self, device_id: Uuid, heard: Cursor) -> Result<Opened> {
        let owner = self.owner()?;
        let path = format!("/subscribe?app_id={}&device_id={device_id}&cursor={heard}", owner.app_id);
        match self.stream(&path).await {
            Ok(Streaming::Open(response)) if is_event_stream(&response) => Ok(Opened::Stream(response)),
            Ok(Streaming::Open(_)) => Ok(Opened::NoStreams),
            Ok(Streaming::HeldBack) => Ok(Opened::HeldBack),
            Ok(Streaming::Refused(retry_after)) => Ok(Opened::Refused(retry_after)),
            Err(SyncKitError::NotFound) => self.explain_not_found(device_id).await,
            Err(SyncKitError::Server { status: 405, .. }) => Ok(Opened::NoStreams),
            Err(error) => failed(error),
        }
    }

    /// A device that is gone looks like one that never was; so does the route, on a server or behind a proxy that has none.
    async fn explain_not_found(&self, device_id: Uuid) -> Result<Opened> {
        match self.list_devices().await {
            Ok(devices) if devices.iter().any(|device| device.id == device_id) => Ok(Opened::NoStreams),
            Ok(_) => Err(SyncKitError::DeviceRevoked),
            Err(error) => failed(error),
        }
    }
}

fn failed(error: SyncKitError) -> Result<Opened> {
    match error {
        // The session could not be refreshed.
        SyncKitError::RateLimited { retry_after } => Ok(Opened::Refused(retry_after)),
        error if is_passing(&error) => Ok(Opened::OutOfReach),
        error => Err(error),
    }
}

/// Whether this says nothing but that the server cannot answer just now.
pub(super) fn is_passing(error: &SyncKitError) -> bool {
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
