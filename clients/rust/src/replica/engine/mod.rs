//! What drives a replica: exchanges with the server, the live loop, status.

pub(crate) mod lifecycle;
pub(crate) mod live;
pub(crate) mod progress;
pub(crate) mod status;
