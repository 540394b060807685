//! Administration by programs that have a personal access token of scope `admin`. To a token for one app, other apps
//! do not exist.

pub(super) mod request;
pub(super) mod sessions;
