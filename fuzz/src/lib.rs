//! What must hold for any bytes whatever, one module per format.
//!
//! "It does not panic" is the least of it: each module compares what the code under test did with what the format says, by
//! writing back what was read, by a second and simpler reading, or by sealing bytes that only a holder of the key could seal.
//! The first byte of an input often chooses which of these is done; `fuzz/seed` writes inputs in the same layout.

#![forbid(unsafe_code)]

pub mod cursor;
pub mod entry;
pub mod envelope;
mod input;
pub mod recovery_code;
