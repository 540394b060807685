//! The log: what is pushed into it and pulled out of it.

mod batches;
mod deletion;
mod notifications;
mod pull;
mod push;
mod rows;
mod scan;
mod status;

pub(super) use batches::{adjust_bytes, flush_all, log_state};
pub(super) use deletion::DELETE_SOME;
pub(super) use rows::data_value;
pub(super) use scan::{LogScan, Selection};
