//! Every limit of the protocol, in one place.
//!
//! The constants are what the protocol fixes or defaults to; [`Limits`] is what one server enforces, as `GET /limits`
//! tells it, so that no client has to hard-code a number.

use serde::{Deserialize, Serialize};

/// Changes in one push, at most.
pub const MAX_CHANGES_PER_PUSH: usize = 500;
/// Entries in one page of a pull, at most.
pub const MAX_ENTRIES_PER_PAGE: usize = 500;
/// Bytes of entries, as they are written, after which a page of a pull ends, whatever its number of entries.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Entries that a filtered pull looks at for one page, at most.
pub const MAX_SCANNED_PER_PAGE: usize = 10_000;
/// Bytes of one change's `data`, at most.
pub const MAX_DATA_BYTES: usize = 1024 * 1024;
/// Bytes of a request body, unless the operator sets another cap.
pub const DEFAULT_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of a request body that anyone may send without signing in, at most.
pub const MAX_OPEN_BODY_BYTES: usize = 64 * 1024;
/// Characters of a change's `table`, at most; each of `[A-Za-z0-9_]`.
pub const MAX_TABLE_CHARS: usize = 100;
/// Characters of a change's `row_id`, at most; any but control characters.
pub const MAX_ROW_ID_CHARS: usize = 255;
/// Characters of a device's name, at most.
pub const MAX_DEVICE_NAME_CHARS: usize = 255;
/// Bytes of a decoded key envelope, at most.
pub const MAX_ENVELOPE_BYTES: usize = 4096;
/// Bytes of a password, at most: hashing must not be a way to burn the server's time.
pub const MAX_PASSWORD_BYTES: usize = 128;
/// Bytes of an e-mail address, at most (RFC 5321).
pub const MAX_EMAIL_BYTES: usize = 254;
/// Tables that one filtered pull may name.
pub const MAX_FILTER_TABLES: usize = 100;
/// Attempts at signing in that one address may make at once, unless the operator sets another number.
pub const DEFAULT_SIGN_IN_BURST: u32 = 240;
/// Attempts at signing in that one address may make on average, each second, unless the operator sets another number.
pub const DEFAULT_SIGN_INS_PER_SECOND: u32 = 4;
/// Attempts at signing in to one account that all addresses may make together at once.
pub const DEFAULT_ACCOUNT_SIGN_IN_BURST: u32 = 30;
/// Seconds in which one of them is given back.
pub const DEFAULT_ACCOUNT_SIGN_IN_SECONDS: u32 = 10;
/// Failures for one account from one address before the next attempt has to wait.
pub const DEFAULT_FREE_SIGN_IN_FAILURES: u32 = 5;
/// What that wait grows to, in seconds.
pub const DEFAULT_LONGEST_SIGN_IN_WAIT_SECONDS: u32 = 900;
/// Live devices of one user in one app, at most.
pub const MAX_DEVICES: usize = 1_000;
/// Streams of notifications that one user may have open in one app, unless the operator sets another number.
pub const DEFAULT_STREAMS_PER_USER: usize = 100;
/// Streams of notifications that one server keeps open, unless the operator sets another number.
pub const DEFAULT_STREAMS: usize = 20_000;
/// Seconds after which a stream that has nothing to say shows that it is alive, unless the operator sets another number.
pub const DEFAULT_HEARTBEAT_SECONDS: u32 = 15;
/// Bytes of one blob, at most, unless the operator sets another number: a file of 500 MB fits, with what sealing adds to it.
pub const DEFAULT_BLOB_BYTES: u64 = 500 * 1024 * 1024;
/// Bytes that an upload may have beyond its `size_bytes`: what the one-shot format adds to a file.
pub const BLOB_OVERHEAD_BYTES: u64 = 40;
/// Bytes of a blob's sealed key, at most.
pub const MAX_WRAPPED_KEY_BYTES: usize = 256;
/// Blobs in a page of a list, and in a batch of a rotation, at most.
pub const MAX_BLOBS_PER_PAGE: usize = 500;
/// Seconds for which the address of an upload or a download is good.
pub const BLOB_URL_SECONDS: u32 = 15 * 60;

/// The limits in force on one server (`GET /limits`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Changes in one push.
    pub max_changes_per_push: usize,
    /// Entries in one page of a pull.
    pub max_entries_per_page: usize,
    /// Bytes of entries after which a page ends.
    pub max_page_bytes: usize,
    /// Entries that a filtered pull looks at for one page.
    pub max_scanned_per_page: usize,
    /// Bytes of one change's data.
    pub max_data_bytes: usize,
    /// Bytes of a request body.
    pub max_body_bytes: usize,
    /// Bytes of a request body of somebody who is not signed in.
    pub max_open_body_bytes: usize,
    /// Characters of a change's table.
    pub max_table_chars: usize,
    /// Characters of a change's row id.
    pub max_row_id_chars: usize,
    /// Characters of a device's name.
    pub max_device_name_chars: usize,
    /// Bytes of a decoded key envelope.
    pub max_envelope_bytes: usize,
    /// Bytes of a password.
    pub max_password_bytes: usize,
    /// Tables that one filtered pull may name.
    pub max_filter_tables: usize,
    /// Live devices of one user in one app.
    pub max_devices: usize,
    /// Streams of notifications of one user in one app.
    pub max_streams_per_user: usize,
    /// Streams of notifications of the whole server.
    pub max_streams: usize,
    /// Seconds after which a stream that has nothing to say shows that it is alive.
    pub heartbeat_seconds: u32,
    /// Bytes of one blob; 0 where the server stores none.
    #[serde(default)]
    pub max_blob_bytes: u64,
    /// Bytes of a blob's sealed key.
    #[serde(default)]
    pub max_wrapped_key_bytes: usize,
    /// Blobs in a page of a list, and in a batch of a rotation.
    #[serde(default)]
    pub max_blobs_per_page: usize,
    /// Seconds for which the address of an upload or a download is good.
    #[serde(default)]
    pub blob_url_seconds: u32,
    /// Attempts at signing in that one address may make at once.
    pub sign_in_burst: u32,
    /// Attempts at signing in that one address may make on average, each second.
    pub sign_ins_per_second: u32,
    /// Attempts at signing in to one account that all addresses which are not familiar may make together at once.
    #[serde(default)]
    pub account_sign_in_burst: u32,
    /// Seconds in which one of them is given back.
    #[serde(default)]
    pub account_sign_in_seconds: u32,
    /// Failures for one account from one address before the next attempt has to wait.
    #[serde(default)]
    pub free_sign_in_failures: u32,
    /// What that wait, which doubles with each further failure, grows to, in seconds.
    #[serde(default)]
    pub longest_sign_in_wait_seconds: u32,
}

impl Limits {
    /// The protocol's limits and defaults, with this cap on request bodies, in bytes.
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
