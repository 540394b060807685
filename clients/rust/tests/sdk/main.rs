//! The SDK against a real server, through its front door; a proxy in between makes the bad days.

mod blobs;
mod browser;
mod devices;
mod keychain;
mod keystore;
mod names;
mod notifications;
mod passphrase;
mod proxy;
mod pull;
mod push;
mod quick_start;
mod raw;
mod retry;
mod rotation;
mod second_opinion;
mod session;
mod setup;
mod support;
