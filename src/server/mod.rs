//! A running server: its parts are assembled here, and taken apart in order.
#![allow(clippy::disallowed_types, reason = "this folder starts servers")]

pub mod commands;
mod control;
mod descriptors;
mod error;
mod listen;
mod maintenance;
mod options;
mod password_resets;
mod running;
mod signals;
mod start;
#[cfg(test)]
mod tests;

pub use control::{CallError, call};
pub use error::StartError;
pub use options::{open_blobs, passwords, store_options};
pub use running::Running;
pub use signals::Signals;
pub use start::start;
