//! Proxies between a client and the server.

pub mod blobs;
pub mod losing;
pub mod network;
pub mod relay;
pub mod rewriting;
