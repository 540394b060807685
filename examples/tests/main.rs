//! Runs the examples' programs on a real server. (Tests that need more than Rust are in `tests/e2e`.)

mod folder;
mod inspect;
