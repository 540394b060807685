//! The SDK against a server that lies: a proxy before a real one rewrites its answers.
//!
//! Each lie is told to clients that have seen the truth work first. What the server can do unnoticed is here, too: see
//! `unnoticed`.

mod alterations;
mod blobs;
mod envelopes;
mod memory;
mod pages;
mod scene;
mod streams;
mod unnoticed;
