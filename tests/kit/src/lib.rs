//! What the tests at the front door share: the real binary, the people who use it, and a watch over the contract.
//!
//! Nothing here knows the server's insides. Every HTTP answer that passes through is held against the OpenAPI document that
//! the server itself serves, so a test of one thing also notices an undocumented answer to another.
#![allow(missing_docs)]

/// The examples in the SDK's README, as doc tests: here they have a server.
#[cfg(doctest)]
#[doc = include_str!("../../../clients/rust/README.md")]
struct SdkReadme;

mod authenticator;
mod blobs;
mod bucket;
mod cli;
mod clocked;
mod contract;
mod dice;
mod http;
mod interrupt;
mod people;
mod process;
mod program;
pub mod proxy;
pub mod raw;
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
pub use cli::{Cli, Ran};
pub use clocked::ClockedServer;
pub use contract::{Contract, Operation};
pub use dice::Dice;
pub use http::{Answer, Caller, Origin};
pub use interrupt::interrupted;
pub use people::{App, PASSWORD, User, change, changes, credentials, fresh_id, instant, text};
pub use process::Process;
pub use program::{example, tidelog};
pub use server::{Server, ServerSetup, copy_database};
pub use stream::{EventReader, Heard, Said};
pub use sync_client::{Dialect, SyncClient};
pub use tab::{Shown, Tab};
pub use token::{SigningKey, claims_of, header_of, unsigned};
