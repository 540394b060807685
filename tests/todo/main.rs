//! `examples/todo` as people use it: the real program, in terminals, on a real server that comes and goes.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests look at the server from outside"
)]

#[path = "../schedules/relay.rs"]
mod relay;
#[path = "../support/mod.rs"]
mod support;

mod alone;
mod starting;
mod terminal;
mod together;
mod world;
