//! The SDK against a server that lies: a proxy before a real one rewrites its answers.
//!
//! Each lie is told after a control client has seen the truth. What the server can do unnoticed is tested as well: see
//! `unnoticed`.

mod alterations;
mod blobs;
mod envelopes;
mod memory;
mod pages;
mod scenario;
mod streams;
mod unnoticed;
