//! The session that a client is using, and what is saved of it.

mod current;
mod info;

pub(crate) use current::{CurrentSession, SessionObserver};
pub(crate) use info::Owner;
pub use info::SessionInfo;
