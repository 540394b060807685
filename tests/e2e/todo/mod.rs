//! `examples/todo` as people use it: the real program, in terminals, on a real server that comes and goes.

mod alone;
mod starting;
mod terminal;
mod together;
mod world;
