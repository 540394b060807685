//! Tidelog: end-to-end encrypted sync for any app, in one binary and one SQLite file.
#![forbid(unsafe_code)]

pub mod auth;
pub mod blobs;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dev;
pub mod error;
pub mod http;
pub mod mail;
pub mod model;
pub mod notify;
pub mod server;
pub mod store;
