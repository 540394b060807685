//! What drives a replica: exchanges with the server, once or whenever there are changes, and its status.

pub(crate) mod changes;
mod commit_watch;
mod exchange;
mod failure;
mod lifecycle;
mod live;
mod progress;
pub(crate) mod replica;
mod shared;
pub(crate) mod status;
