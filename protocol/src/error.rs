//! What an error looks like on the wire: a sentence for a person, a code for a program, and details by code.

use serde::{Deserialize, Serialize};

use crate::Cursor;

/// Why a request was refused, for programs. The spelling on the wire is the variant's name in snake case, and stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// 400: the body or the query is not what the content type says.
    MalformedRequest,
    /// 401: no token, or one that is garbage, expired or revoked.
    Unauthenticated,
    /// 401: wrong e-mail, password or API key; which of them is not told.
    InvalidCredentials,
    /// 402: storage quota or plan limit reached.
    QuotaExceeded,
    /// 403: the app wants a membership that this user has not.
    MembershipRequired,
    /// 403: the device was removed; register it again.
    DeviceRevoked,
    /// 403: right password, but the account has a second factor: sign in through OAuth.
    TwoFactorRequired,
    /// The account has a second factor already.
    TwoFactorIsOn,
    /// 403: the token belongs to another app.
    WrongApp,
    /// 404: absent, or another tenant's.
    NotFound,
    /// 405: the path exists, the method does not.
    MethodNotAllowed,
    /// 409: the named key version or revision is not the current one.
    KeyVersionConflict,
    /// 409: another rotation is under way.
    RotationInProgress,
    /// 409: entries are still to be re-encrypted; see `remaining`.
    RotationIncomplete,
    /// 409: no rotation is under way.
    NoRotation,
    /// 409: entries are under the new key already, so the rotation can only be completed.
    RotationStarted,
    /// 409: the cursor comes from a history that this server has lost; see `resume_from`.
    LogRewound,
    /// 409: the cursor is older than a removed tombstone; pull from the start.
    LogCompacted,
    /// 409: other devices wrote beyond `expected_cursor`.
    LogMoved,
    /// 409: this `batch_id` was used for other content; see `cursor`.
    BatchIdReused,
    /// 409: nothing was uploaded that could be confirmed.
    NotUploaded,
    /// 412: what is stored is not what `If-Match` names.
    PreconditionFailed,
    /// 413: the body, or the blob, is larger than the server takes.
    TooLarge,
    /// 415: a body that is not `application/json`.
    UnsupportedMediaType,
    /// 416: the blob has no bytes in that range.
    RangeNotSatisfiable,
    /// 421: the server does not know the name in `Host`.
    UnknownHost,
    /// 422: a field has the wrong type, shape or value; see `field`.
    InvalidField,
    /// 422: changes have faults; see `changes`.
    InvalidChange,
    /// 422: more changes than one push may carry.
    TooManyChanges,
    /// 422: what was uploaded has another size or hash than it should have.
    BlobMismatch,
    /// 429: too many requests; see `Retry-After`.
    RateLimited,
    /// 500: a fault of the server.
    Internal,
    /// 503: shutting down, overloaded or recovering; see `Retry-After`.
    Unavailable,
    /// 503: this server stores no blobs.
    NoBlobs,
    /// 507: the server's disk is full.
    StorageFull,
}

/// One fault of one change in a refused push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeFault {
    /// Position of the change in the push, from 0.
    pub index: usize,
    /// The faulty field's name.
    pub field: String,
    /// What is wrong with it, for a person.
    pub reason: String,
}

/// The body of every error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A sentence for a person.
    pub error: String,
    /// A stable code for a program. `None` where a client does not know the code that the server sent.
    #[serde(default, deserialize_with = "known_code")]
    pub code: Option<ErrorCode>,
    /// With [`ErrorCode::InvalidField`]: the field at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// With [`ErrorCode::InvalidChange`]: every fault of every change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeFault>,
    /// With [`ErrorCode::LogRewound`]: the last position of this device that the server knows; the beginning, if the cursor that was
    /// sent is before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_from: Option<Cursor>,
    /// With [`ErrorCode::BatchIdReused`]: the answer that the first push of this `batch_id` got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// With [`ErrorCode::KeyVersionConflict`]: the current key version, 0 if there is no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
    /// With [`ErrorCode::KeyVersionConflict`] of a `PUT`: the current revision, 0 if there is no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// With [`ErrorCode::RotationIncomplete`]: entries that are left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
}

impl ErrorBody {
    /// A body with no details.
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

/// A code that this version does not know reads as `None`: servers may grow codes.
fn known_code<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<ErrorCode>, D::Error> {
    let name = Option::<std::borrow::Cow<'de, str>>::deserialize(input)?;
    Ok(name.and_then(|name| {
        ErrorCode::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(&name)).ok()
    }))
}
