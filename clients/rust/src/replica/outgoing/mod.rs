//! From dirty rows to batches in the log: `seal` fills the outbox, `acknowledge` empties it.

pub(crate) mod acknowledge;
pub(crate) mod seal;
