//! `examples/folder` as people use it: the real program, over real folders, on a real server.

mod conflicts;
mod together;
mod tricks;
mod world;
