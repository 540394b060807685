//! The SDK against a real server over HTTP, with a proxy in between for failures.

mod blobs;
mod browser;
mod devices;
mod honest;
mod hostile;
mod keychain;
mod keystore;
mod names;
mod notifications;
mod passphrase;
mod pull;
mod push;
mod quick_start;
mod refreshes;
mod replica;
mod retry;
mod rotation;
mod schedules;
mod session;
mod setup;
