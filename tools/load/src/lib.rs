//! What the load generator and the microbenchmarks share: contents, and the server's library before there is a server.

pub mod content;
pub mod library;

/// What anything here comes to.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
