//! The database, and the only place that knows SQLite.
//!
//! One thread writes (`writer`), a pool reads (`readers`), and one file per noun holds the statements of that noun
//! beside the operations that use them. [`Store`] offers whole operations with model types in and out: what a caller
//! may do is decided in the transaction that does it, so that nothing can change in between.
//!
//! Naming: `find_` returns an `Option`, `list_` all of them, `count_` a number. A possible outcome of a request is a
//! value; an `Err` is a [`Fault`](crate::error::Fault) of the machine or the program, in every operation, and no
//! operation's documentation repeats that.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "this folder owns SQLite")]

mod account_sessions;
mod accounts;
mod answer;
mod apps;
mod audit;
mod authorization_codes;
mod batch_buffer;
mod blob_totals;
mod blobs;
mod changes;
mod check;
mod connect;
mod device_progress;
mod devices;
mod epochs;
mod export;
mod failure_buffer;
mod federated_identities;
mod filesystem;
mod group;
mod handle;
mod issuers;
mod keys;
mod links;
mod lock;
mod maintenance;
mod migrations;
mod open;
mod open_error;
mod options;
mod origins;
mod passwords;
mod personal_access_tokens;
mod readers;
mod refresh_tokens;
mod rotation_progress;
mod rotations;
mod second_factors;
mod session_devices;
mod sessions;
mod shared;
mod signing_keys;
#[cfg(test)]
mod tests;
mod timestamps;
mod user_deletion;
mod users;
mod writer;
mod writer_cache;

pub use account_sessions::{AccountSession, NewAccountSession};
pub use accounts::Account;
pub use authorization_codes::{CodeExchange, NewAuthorizationCode};
pub use blobs::{
    CheckedUpload, ConfirmUploadOutcome, Confirmable, GrantOutcome, NewUpload, RemovedObject, StoredBlob,
};
pub use connect::Synchronous;
pub use devices::Registration;
pub use federated_identities::{IdentityProof, NewFederatedSession};
pub use handle::Store;
pub use links::{NewLink, SignUpOutcome};
pub use migrations::SCHEMA_VERSION;
pub use open_error::OpenError;
pub use options::{DATABASE_FILE, Options};
pub use passwords::{PasswordUpdate, PasswordUpdateOutcome};
pub use personal_access_tokens::NewPersonalAccessToken;
pub use refresh_tokens::{TokenRefresh, TokenSuccessor};
pub use rotations::{UndoOutcome, UndoReport};
pub use sessions::{NewSession, StoredCredentials, UserCredentials};
pub use signing_keys::SigningKey;
pub use users::NewUser;
