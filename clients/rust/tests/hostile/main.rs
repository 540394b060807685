//! The SDK against a server that lies: a proxy before a real one rewrites its answers.
//!
//! Each lie is told to clients that have seen the truth work first. What the server can do unnoticed is here, too: see
//! `unnoticed`.

mod alterations;
mod blobs;
mod envelopes;
mod memory;
mod pages;
#[allow(dead_code, reason = "other test binaries use it, too")]
mod proxy;
#[path = "../sdk/raw.rs"]
#[allow(dead_code, reason = "each test binary uses its part of the kit")]
mod raw;
mod scene;
mod streams;
#[path = "../sdk/support.rs"]
#[allow(dead_code, reason = "each test binary uses its part of the kit")]
mod support;
mod unnoticed;
