//! What must hold for any bytes, one module per format.
//!
//! Not panicking is not enough: each module compares what the code under test did with what the format says, by
//! encoding again what was parsed, by a second and simpler parser, or by sealing bytes that only a holder of the key
//! could seal. In some modules the first byte of an input chooses between these; `fuzz/seed` writes inputs in the
//! same layout.

#![forbid(unsafe_code)]

pub mod cursor;
pub mod entry;
pub mod envelope;
mod input;
pub mod recovery_key;
