//! Errors on the wire: a sentence for a person, a code for programs, and details that depend on the code.

use serde::{Deserialize, Serialize};

use crate::Cursor;

/// Why a request was refused, for programs. The name on the wire is the variant's name in snake case, and never
/// changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// 400: the body or the query is malformed for its content type, or was cut off.
    MalformedRequest,
    /// 401: there is no token, or it is invalid, expired or revoked.
    Unauthenticated,
    /// 401: the email, password, code or API key is wrong. The answer does not tell which.
    InvalidCredentials,
    /// 402: the user's blobs would exceed the quota.
    QuotaExceeded,
    /// 403: the app requires a membership that this user does not have. Reserved: this server never sends it.
    MembershipRequired,
    /// 403: the device was removed. Register it again.
    DeviceRevoked,
    /// 403: the password is right, but the account has two-factor authentication: send a `code`, or sign in through
    /// the browser.
    TwoFactorRequired,
    /// 409: the account already has two-factor authentication.
    TwoFactorIsOn,
    /// 403: the token belongs to another app.
    WrongApp,
    /// 404: it does not exist, or belongs to somebody else.
    NotFound,
    /// 405: the path exists, but not with this method.
    MethodNotAllowed,
    /// 409: the given key version or revision is not the current one.
    KeyVersionConflict,
    /// 409: another rotation is running.
    RotationInProgress,
    /// 409: entries are left to re-encrypt.
    RotationIncomplete,
    /// 409: no rotation is running.
    NoRotation,
    /// 409: entries are already under the new key, so the rotation can only be completed.
    RotationStarted,
    /// 409: the cursor comes from a history that this server has lost.
    LogRewound,
    /// 409: the cursor is older than a removed tombstone; pull from the start. Reserved: this server never sends it.
    LogCompacted,
    /// 409: the log has entries beyond `expected_cursor`, of whatever device.
    LogMoved,
    /// 409: this `batch_id` was used for other content.
    BatchIdReused,
    /// 409: nothing was uploaded that could be confirmed.
    NotUploaded,
    /// 412: the stored object is not the one that `If-Match` names.
    PreconditionFailed,
    /// 413: the body, or the blob, is too large.
    TooLarge,
    /// 415: the body is not `application/json`.
    UnsupportedMediaType,
    /// 416: the blob has no bytes in the requested range.
    RangeNotSatisfiable,
    /// 421: the name in `Host` is not one of this server.
    UnknownHost,
    /// 422: a field is missing, or has the wrong type, form or value.
    InvalidField,
    /// 422: changes of a push, or entries of a batch, are invalid.
    InvalidChange,
    /// 422: there are more changes than one request may carry.
    TooManyChanges,
    /// 422: the upload has another size or hash than was announced.
    BlobMismatch,
    /// 429: too many requests. `Retry-After` says how long to wait.
    RateLimited,
    /// 500: the server failed.
    Internal,
    /// 503: the server is shutting down, overloaded or recovering. `Retry-After` says how long to wait.
    Unavailable,
    /// 503: this server stores no blobs.
    NoBlobs,
    /// 507: the server's disk is full.
    StorageFull,
}

/// One fault of one change in a refused push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChangeFault {
    /// Index of the change in the push, from 0.
    pub index: usize,
    /// Name of the faulty field.
    pub field: String,
    /// What is wrong with it, for a person.
    pub reason: String,
}

/// The body of every error outside OAuth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorBody {
    /// A sentence for a person. It may change.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub error: String,
    /// A stable code for programs. In a client, `None` stands for a code that this version does not know.
    #[serde(default, deserialize_with = "known_code")]
    pub code: Option<ErrorCode>,
    /// With `invalid_field` and `too_many_changes`: the field at fault, with its path if it is nested, as in
    /// `tables[2]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// With `invalid_change`: every fault of every change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub changes: Vec<ChangeFault>,
    /// With `log_rewound`: the device's last position that this server knows, or the start if the cursor in the
    /// request is before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_from: Option<Cursor>,
    /// With `batch_id_reused`: the cursor that the first push of this batch was answered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// With `key_version_conflict`: version of the current master key, 0 if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
    /// With `key_version_conflict` in answers to `PUT /keys` and `POST /auth/password`: the current revision of the
    /// envelope, 0 if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// With `rotation_incomplete`: entries, and sealed keys of blobs, that are left to re-encrypt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
}

impl ErrorBody {
    /// Creates a body without details.
    pub fn new(code: ErrorCode, error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            code: Some(code),
            field: None,
            changes: Vec::new(),
            resume_from: None,
            cursor: None,
            key_version: None,
            revision: None,
            remaining: None,
        }
    }
}

/// Reads a code; one that this version does not know as `None`, since newer servers may send more codes.
fn known_code<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<ErrorCode>, D::Error> {
    let name = Option::<std::borrow::Cow<'de, str>>::deserialize(input)?;
    Ok(name.and_then(|name| {
        ErrorCode::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(&name)).ok()
    }))
}
