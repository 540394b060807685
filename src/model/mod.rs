//! Pure rules: what a push, a device, a key or a session may do. No I/O, no clock, no SQL.

pub mod accounts;
pub mod actors;
pub mod apps;
pub mod audit;
pub mod authorization;
pub mod blobs;
pub mod changes;
pub mod cursors;
pub mod devices;
pub mod export;
pub mod issuers;
pub mod keys;
pub mod links;
pub mod logs;
pub mod notifications;
pub mod origins;
pub mod personal_access_tokens;
pub mod redirects;
pub mod rotations;
pub mod second_factors;
pub mod sessions;
pub mod users;
