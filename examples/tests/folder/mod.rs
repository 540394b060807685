//! Runs `examples/folder` on real folders and a real server.

mod conflicts;
mod fixture;
mod together;
mod tricks;
mod unreadable;
