//! Every limit of the protocol, in one place.
//!
//! The constants are what the protocol fixes, or the defaults of settings. [`Limits`] is what one server enforces and
//! `GET /limits` returns, so that no client has to hard-code a number.

use serde::{Deserialize, Serialize};

/// Changes in one push.
pub const MAX_CHANGES_PER_PUSH: usize = 500;
/// Entries in one page of a pull.
pub const MAX_ENTRIES_PER_PAGE: usize = 500;
/// Bytes of entries, in JSON, after which a page of a pull ends, whatever its number of entries.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Entries that a filtered pull scans for one page.
pub const MAX_SCANNED_PER_PAGE: usize = 10_000;
/// Bytes of one change's `data`.
pub const MAX_DATA_BYTES: usize = 1024 * 1024;
/// Bytes of a request body, unless the operator sets another limit.
pub const DEFAULT_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of a request body on routes that need no token.
pub const MAX_OPEN_BODY_BYTES: usize = 64 * 1024;
/// Characters of a change's `table`, each one of `[A-Za-z0-9_]`.
pub const MAX_TABLE_CHARS: usize = 100;
/// Characters of a change's `row_id`, which may be any but control characters.
pub const MAX_ROW_ID_CHARS: usize = 255;
/// Characters of a device's name.
pub const MAX_DEVICE_NAME_CHARS: usize = 255;
/// Characters of the name by which another system knows a user: the subject of a JWT, or an `external_id`.
pub const MAX_SUBJECT_CHARS: usize = 255;
/// Bytes of a key envelope, decoded.
pub const MAX_ENVELOPE_BYTES: usize = 4096;
/// Bytes of a new password, at least.
pub const MIN_PASSWORD_BYTES: usize = 8;
/// Bytes of a password, at most, so that hashing cannot be used to exhaust the server.
pub const MAX_PASSWORD_BYTES: usize = 128;
/// Bytes of an email (RFC 5321).
pub const MAX_EMAIL_BYTES: usize = 254;
/// Tables that one filtered pull may name.
pub const MAX_FILTER_TABLES: usize = 100;
/// Sign-in attempts that one IP address may make at once, unless the operator sets another number.
pub const DEFAULT_SIGN_IN_BURST: u32 = 240;
/// Sign-in attempts per second that one IP address may make on average, unless the operator sets another number.
pub const DEFAULT_SIGN_INS_PER_SECOND: u32 = 4;
/// Sign-in attempts to one account that all IP addresses together may make at once.
pub const DEFAULT_ACCOUNT_SIGN_IN_BURST: u32 = 30;
/// Seconds after which one of these attempts is available again.
pub const DEFAULT_ACCOUNT_SIGN_IN_SECONDS: u32 = 10;
/// Failed sign-ins to one account from one IP address before the next attempt has to wait.
pub const DEFAULT_FREE_SIGN_IN_FAILURES: u32 = 5;
/// Seconds that this wait, which doubles with each failure, can grow to.
pub const DEFAULT_LONGEST_SIGN_IN_WAIT_SECONDS: u32 = 900;
/// Devices of one user in one app, without removed ones.
pub const MAX_DEVICES: usize = 1_000;
/// Open event streams of one user in one app, unless the operator sets another number.
pub const DEFAULT_STREAMS_PER_USER: usize = 100;
/// Open event streams of one server, unless the operator sets another number.
pub const DEFAULT_STREAMS: usize = 20_000;
/// Seconds between heartbeats of an idle event stream, unless the operator sets another number.
pub const DEFAULT_HEARTBEAT_SECONDS: u32 = 15;
/// Bytes of one blob, unless the operator sets another limit. A file of 500 MB fits together with what sealing adds
/// to it.
pub const DEFAULT_BLOB_BYTES: u64 = 500 * 1024 * 1024;
/// Bytes that an upload may have beyond its `size_bytes`: what sealing in one piece adds to a file.
pub const BLOB_OVERHEAD_BYTES: u64 = 40;
/// Bytes of a blob's sealed key, decoded.
pub const MAX_WRAPPED_KEY_BYTES: usize = 256;
/// Blobs in one page of a list, and in one batch of a rotation.
pub const MAX_BLOBS_PER_PAGE: usize = 500;
/// Seconds after which the presigned URL of an upload or a download expires.
pub const BLOB_URL_SECONDS: u32 = 15 * 60;

/// The limits in force on one server, as `GET /limits` returns them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(transform = crate::schema_parts::positive))]
pub struct Limits {
    /// Changes in one push.
    pub max_changes_per_push: usize,
    /// Entries in one page of a pull.
    pub max_entries_per_page: usize,
    /// Bytes of entries, in JSON, after which a page of a pull ends, whatever its number of entries.
    pub max_page_bytes: usize,
    /// Entries that a filtered pull scans for one page.
    pub max_scanned_per_page: usize,
    /// Bytes of one change's `data`.
    pub max_data_bytes: usize,
    /// Bytes of a request body. A setting of the server.
    pub max_body_bytes: usize,
    /// Bytes of a request body on routes that need no token, such as signing in.
    pub max_open_body_bytes: usize,
    /// Characters of a change's `table`.
    pub max_table_chars: usize,
    /// Characters of a change's `row_id`.
    pub max_row_id_chars: usize,
    /// Characters of a device's name.
    pub max_device_name_chars: usize,
    /// Bytes of a key envelope, decoded.
    pub max_envelope_bytes: usize,
    /// Bytes of a password.
    pub max_password_bytes: usize,
    /// Tables that one filtered pull may name.
    pub max_filter_tables: usize,
    /// Devices of one user in one app, without removed ones.
    pub max_devices: usize,
    /// Open event streams of one user in one app. A setting of the server.
    pub max_streams_per_user: usize,
    /// Open event streams of the whole server. A setting of the server.
    pub max_streams: usize,
    /// Seconds between heartbeats of an idle event stream. A setting of the server.
    pub heartbeat_seconds: u32,
    /// Bytes of one blob; 0 if the server stores no blobs. A setting of the server.
    #[serde(default)]
    pub max_blob_bytes: u64,
    /// Bytes of a blob's sealed key, decoded.
    #[serde(default)]
    pub max_wrapped_key_bytes: usize,
    /// Blobs in one page of a list, and in one batch of a rotation.
    #[serde(default)]
    pub max_blobs_per_page: usize,
    /// Seconds after which the presigned URL of an upload or a download expires.
    #[serde(default)]
    pub blob_url_seconds: u32,
    /// Sign-in attempts that one IP address may make at once.
    pub sign_in_burst: u32,
    /// Sign-in attempts per second that one IP address may make on average.
    pub sign_ins_per_second: u32,
    /// Sign-in attempts to one account that all IP addresses together may make at once. Addresses from which the
    /// account signed in lately are exempt.
    #[serde(default)]
    pub account_sign_in_burst: u32,
    /// Seconds after which one of these attempts is available again.
    #[serde(default)]
    pub account_sign_in_seconds: u32,
    /// Failed sign-ins to one account from one IP address before the next attempt has to wait.
    #[serde(default)]
    pub free_sign_in_failures: u32,
    /// Seconds that this wait, which doubles with each failure, can grow to.
    #[serde(default)]
    pub longest_sign_in_wait_seconds: u32,
}

impl Limits {
    /// Returns the protocol's limits and defaults, with this limit on request bodies.
    pub fn with_body_cap(max_body_bytes: usize) -> Self {
        Self {
            max_changes_per_push: MAX_CHANGES_PER_PUSH,
            max_entries_per_page: MAX_ENTRIES_PER_PAGE,
            max_page_bytes: MAX_PAGE_BYTES,
            max_scanned_per_page: MAX_SCANNED_PER_PAGE,
            max_data_bytes: MAX_DATA_BYTES,
            max_body_bytes,
            max_open_body_bytes: MAX_OPEN_BODY_BYTES.min(max_body_bytes),
            max_table_chars: MAX_TABLE_CHARS,
            max_row_id_chars: MAX_ROW_ID_CHARS,
            max_device_name_chars: MAX_DEVICE_NAME_CHARS,
            max_envelope_bytes: MAX_ENVELOPE_BYTES,
            max_password_bytes: MAX_PASSWORD_BYTES,
            max_filter_tables: MAX_FILTER_TABLES,
            max_devices: MAX_DEVICES,
            max_streams_per_user: DEFAULT_STREAMS_PER_USER,
            max_streams: DEFAULT_STREAMS,
            heartbeat_seconds: DEFAULT_HEARTBEAT_SECONDS,
            max_blob_bytes: DEFAULT_BLOB_BYTES,
            max_wrapped_key_bytes: MAX_WRAPPED_KEY_BYTES,
            max_blobs_per_page: MAX_BLOBS_PER_PAGE,
            blob_url_seconds: BLOB_URL_SECONDS,
            sign_in_burst: DEFAULT_SIGN_IN_BURST,
            sign_ins_per_second: DEFAULT_SIGN_INS_PER_SECOND,
            account_sign_in_burst: DEFAULT_ACCOUNT_SIGN_IN_BURST,
            account_sign_in_seconds: DEFAULT_ACCOUNT_SIGN_IN_SECONDS,
            free_sign_in_failures: DEFAULT_FREE_SIGN_IN_FAILURES,
            longest_sign_in_wait_seconds: DEFAULT_LONGEST_SIGN_IN_WAIT_SECONDS,
        }
    }
}
