//! Tidelog: end-to-end encrypted sync for any app, in one binary and one SQLite file.
//!
//! This is the server. Its modules form layers, and imports point downwards only:
//!
//! ```text
//! cli                 parses arguments, prints results
//! dev                 a server to try things out on
//! server              assembles a running server; the control socket and the commands that come through it
//! http                routes, handlers and pages; the only module that picks a status
//! auth  blobs  mail   passwords, tokens and sessions; the bytes of blobs; messages to users
//! store               the only module that knows SQLite: one writer thread, a pool of readers, one file per noun
//! model               pure rules: what a push, a device, a key or a session may do
//! ```
//!
//! `clock`, `config`, `error`, `notify` and `tls` are leaves that any module may use. A noun has the same name in
//! every layer: the changes of a push are `tidelog_protocol::changes` on the wire, [`model::changes`] as rules,
//! `store::changes` as SQL and `http::changes` as handlers. To follow one request from the socket to the disk and
//! back, read those four in this order: `http/changes.rs`, `http/changes/push.rs`, `store/changes/push.rs`,
//! `store/writer.rs`.
//!
//! `docs/architecture.md` describes the whole, `docs/decisions` why it is so, `docs/how-to` how to change it, and
//! `docs/glossary.md` what the words mean.
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
pub mod tls;
