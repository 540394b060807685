//! Administration by programs that bear an access token of scope `admin`. A token of one app sees no other: what it may not
//! reach is answered like what does not exist.

pub(super) mod request;
pub(super) mod sessions;
