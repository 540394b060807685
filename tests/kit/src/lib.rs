//! What black-box tests share: servers, API and SDK clients, a browser tab, proxies, and a check of every response.
//!
//! Every response to a [`Caller`] or a [`Tab`] is checked against the OpenAPI document that the server serves, so
//! that any test also fails on an undocumented response.
#![allow(missing_docs)]

/// Runs the examples in the SDK's README as doc tests; this crate can start the server that they need.
#[cfg(doctest)]
#[doc = include_str!("../../../clients/rust/README.md")]
struct SdkReadme;

mod authenticator;
mod blobs;
mod bucket;
mod cli;
mod contract;
mod http;
mod interrupt;
mod manual_clock;
mod people;
mod process;
mod program;
pub mod proxy;
pub mod raw;
mod rng;
pub mod rotation;
pub mod sdk;
mod server;
mod stream;
mod sync_client;
mod tab;
mod token;

pub use authenticator::Authenticator;
pub use blobs::hash_of;
pub use bucket::{Bucket, objects_in};
pub use cli::{Cli, CommandOutput};
pub use contract::{Contract, Operation};
pub use http::{ApiResponse, Caller, Origin};
pub use interrupt::interrupted;
pub use manual_clock::ManualClockServer;
pub use people::{App, PASSWORD, User, change, changes, credentials, fresh_id, instant, text};
pub use process::Process;
pub use program::{example, tidelog};
pub use rng::SeededRng;
pub use server::{Server, ServerSetup, copy_database};
pub use stream::{EventReader, StreamEvent, StreamItem};
pub use sync_client::{Dialect, SyncClient};
pub use tab::{PageResponse, Tab};
pub use token::{SigningKey, claims_of, header_of, unsigned};
