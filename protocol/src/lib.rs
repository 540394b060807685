//! Wire types, limits and error codes of the Tidelog sync protocol.
//!
//! Both ends speak through this package: the server parses its requests and the SDK writes them, so a field has one name,
//! one type and one limit. Nothing here does I/O, reads a clock or touches a database.
//!
//! The types borrow from the body they were parsed from where they can ([`Text`]), because a push of 500 changes is read
//! once and bound straight into the database; `into_owned` cuts them loose where that matters more than speed.

mod auth;
mod blobs;
mod changes;
mod cursor;
mod devices;
mod error;
mod keys;
pub mod limits;
mod oauth;
mod op;
mod rotation;
pub mod rules;
mod status;
mod text;
mod timestamp;

pub use auth::{ChangePasswordRequest, RefreshRequest, SignInRequest, TokenPair};
pub use blobs::{
    Blob, BlobConfirmRequest, BlobConfirmResponse, BlobDownloadRequest, BlobDownloadResponse, BlobKey,
    BlobListResponse, BlobUploadRequest, BlobUploadResponse, RotatedBlobKey, RotationBlobsBatchRequest,
    RotationBlobsRequest, RotationBlobsResponse,
};
pub use changes::{Change, Entry, PullRequest, PullResponse, PushRequest, PushResponse};
pub use cursor::{Cursor, CursorFormat, EpochTag, InvalidCursor};
pub use devices::{Device, Platform, RegisterDeviceRequest, UnknownPlatform};
pub use error::{ChangeFault, ErrorBody, ErrorCode};
pub use keys::{GetKeyResponse, PutKeyRequest, PutKeyResponse};
pub use limits::Limits;
pub use oauth::{
    GRANT_AUTHORIZATION_CODE, GRANT_JWT_BEARER, GRANT_REFRESH_TOKEN, OAuthError, TokenRequest, TokenResponse,
};
pub use op::{Op, UnknownOp};
pub use rotation::{
    BeginRotationRequest, CompleteRotationRequest, PendingKey, PendingRotation, RotatedEntry,
    RotationBatchRequest, RotationBatchResponse, RotationEntriesRequest, RotationEntriesResponse,
    RotationResponse, RotationStateResponse,
};
pub use status::StatusResponse;
pub use text::Text;
pub use timestamp::{InvalidTimestamp, Timestamp};

/// Path under which every sync route answers.
pub const SYNC_PREFIX: &str = "/api/sync";

/// The same routes under their versioned name.
pub const SYNC_PREFIX_V1: &str = "/api/v1/sync";

/// Port that a server listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 7878;
