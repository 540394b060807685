//! `examples/inspect` as a developer runs it: the real program, on a real server, over a log that the SDK wrote.

mod answers;
mod gate;
mod refusals;
mod screens;
mod traces;
mod world;
