//! The examples as people use them: the real programs on a real server. (What needs more than Rust is in `tests/e2e`.)

mod folder;
mod inspect;
