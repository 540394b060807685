//! Runs `examples/todo` in terminals, with a real server that stops and restarts.

mod alone;
mod fixture;
mod starting;
mod terminal;
mod together;
