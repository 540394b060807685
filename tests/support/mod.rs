//! What the tests at the front door share: the real binary, the people who use it, and a watch over the contract.
//!
//! Nothing here knows the server's insides. Every HTTP answer that passes through is held against the OpenAPI document that
//! the server itself serves, so a test of one thing also notices an undocumented answer to another.
#![allow(dead_code, unused_imports, reason = "each test binary uses its part of the kit")]

mod authenticator;
mod blobs;
mod bucket;
mod cli;
mod clocked;
mod contract;
mod dice;
mod http;
mod issuer;
mod mail;
mod people;
mod server;
mod stream;
mod sync_client;
mod tab;
mod token;

pub(crate) use authenticator::Authenticator;
pub(crate) use blobs::hash_of;
pub(crate) use bucket::{Bucket, objects_in};
pub(crate) use cli::{Cli, Ran};
pub(crate) use clocked::ClockedServer;
pub(crate) use contract::{Contract, Operation};
pub(crate) use dice::Dice;
pub(crate) use http::{Answer, Caller, Origin};
pub(crate) use issuer::Issuer;
pub(crate) use mail::{Mail, MailServer};
pub(crate) use people::{App, PASSWORD, User, change, changes, credentials, fresh_id, instant, text};
pub(crate) use server::{Server, ServerSetup, copy_database};
pub(crate) use stream::{EventReader, Heard, Said};
pub(crate) use sync_client::{Dialect, SyncClient};
pub(crate) use tab::{Shown, Tab};
pub(crate) use token::{SigningKey, claims_of, header_of, unsigned};
