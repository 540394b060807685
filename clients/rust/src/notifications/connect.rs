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
    /// Not now: the server cannot be reached, or has no room. It may have said how long to wait.
    NotNow(Option<Duration>),
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
            Ok(Streaming::NotNow(retry_after)) => Ok(Opened::NotNow(retry_after)),
            // A device that is gone looks like one that never was.
            Err(SyncKitError::NotFound) => Err(SyncKitError::DeviceRevoked),
            Err(SyncKitError::Server { status: 405 | 501, .. }) => Ok(Opened::NoStreams),
            Err(SyncKitError::Network(_)) => Ok(Opened::NotNow(None)),
            Err(SyncKitError::RateLimited { retry_after }) => Ok(Opened::NotNow(retry_after)),
            Err(error) => Err(error),
        }
    }
}

fn is_event_stream(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.split(';').next().unwrap_or_default().trim() == "text/event-stream")
}
