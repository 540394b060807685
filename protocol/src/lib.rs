//! Wire types, limits and error codes of the Tidelog sync protocol.
//!
//! Server and SDK share this package: the server parses requests with it and the SDK writes them, so a field has one
//! name, one type and one limit. Nothing here does I/O, reads a clock or touches a database.
//!
//! The types borrow from the body they were parsed from where they can ([`Text`]), because a push of 500 changes is
//! read once and bound straight into the database.
//!
//! With the feature `schema`, the types describe themselves as JSON Schema, and doc comments become descriptions in
//! the server's OpenAPI document. In those comments, names such as `max_data_bytes` are limits of `GET /limits`.

mod accounts;
mod auth;
mod blobs;
mod changes;
mod cursors;
mod devices;
mod error;
mod keys;
pub mod limits;
mod oauth;
mod op;
mod rotations;
pub mod rules;
#[cfg(feature = "schema")]
pub mod schema;
#[cfg(feature = "schema")]
mod schema_parts;
mod status;
mod text;
mod timestamps;

pub use accounts::{
    AccountPasswordRequest, AccountResponse, AccountTokenRequest, AccountTokenResponse, DeleteAccountRequest,
    RecoveryCodesResponse, TwoFactorCodeRequest, TwoFactorSetupResponse, UserDevice, UserSession,
};
pub use auth::{BeginSessionRequest, ChangePasswordRequest, RefreshRequest, SignInRequest, TokenPair};
pub use blobs::{
    Blob, BlobConfirmRequest, BlobConfirmResponse, BlobDownloadRequest, BlobDownloadResponse, BlobKey,
    BlobListResponse, BlobUploadRequest, BlobUploadResponse, RotatedBlobKey, RotationBlobsBatchRequest,
    RotationBlobsRequest, RotationBlobsResponse,
};
pub use changes::{Change, Entry, PullRequest, PullResponse, PushRequest, PushResponse};
pub use cursors::{Cursor, CursorFormat, EpochTag, InvalidCursor};
pub use devices::{Device, Platform, RegisterDeviceRequest, UnknownPlatform};
pub use error::{ChangeFault, ErrorBody, ErrorCode};
pub use keys::{GetKeyResponse, PutKeyRequest, PutKeyResponse};
pub use limits::Limits;
pub use oauth::{
    GRANT_AUTHORIZATION_CODE, GRANT_JWT_BEARER, GRANT_REFRESH_TOKEN, OAuthError, RevokeRequest, TokenRequest,
    TokenResponse, UserInfoResponse,
};
pub use op::{Op, UnknownOp};
pub use rotations::{
    BeginRotationRequest, CompleteRotationRequest, PendingKey, PendingRotation, RotatedEntry,
    RotationBatchRequest, RotationBatchResponse, RotationEntriesRequest, RotationEntriesResponse,
    RotationResponse, RotationStateResponse,
};
pub use status::{HealthResponse, StatusResponse};
pub use text::Text;
pub use timestamps::{InvalidTimestamp, Timestamp};

/// Path prefix of the sync routes.
pub const SYNC_PREFIX: &str = "/api/sync";

/// Versioned path prefix of the same routes.
pub const SYNC_PREFIX_V1: &str = "/api/v1/sync";

/// Port that a server listens on by default.
pub const DEFAULT_PORT: u16 = 7878;
