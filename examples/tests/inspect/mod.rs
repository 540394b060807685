//! Runs `examples/inspect` on a real server, with a log that the SDK wrote.

mod answers;
mod fixture;
mod gate;
mod refusals;
mod screens;
mod traces;
