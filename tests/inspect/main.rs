//! `examples/inspect` as a developer runs it: the real program, on a real server, over a log that the SDK wrote.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests look at the server from outside"
)]

mod answers;
mod gate;
mod refusals;
mod screens;
mod traces;
mod world;
