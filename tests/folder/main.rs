//! `examples/folder` as people use it: the real program, over real folders, on a real server.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests look at the server from outside"
)]

mod conflicts;
mod together;
mod tricks;
mod world;
