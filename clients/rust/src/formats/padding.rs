//! Padding hides how long a payload is, at a cost of at most 12 %: lengths are rounded up by Padmé (Nikitin et al.,
//! "Reducing Metadata Leakage from Encrypted Files", 2019), which leaves O(log log n) bits of the length to see.
//!
//! What is rounded is the length of the whole frame, from its kind to the end of its payload. A frame on the wire is either
//! exactly that long (padding off) or exactly the Padmé length of that; anything else is refused, so that a frame has two
//! forms and no more.

use super::error::Fault;

/// Whether frames are padded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Zeros up to the Padmé length of the frame.
    #[default]
    Padme,
    /// None: the length of a payload can be read off the wire.
    Off,
}

impl Padding {
    /// The length that a frame of `len` bytes goes out with.
    pub fn length_of(self, len: usize) -> usize {
        match self {
            Self::Padme => padme(len),
            Self::Off => len,
        }
    }
}

/// `len` rounded up so that its binary form has as many significant bits as its exponent has bits, as a float would.
pub fn padme(len: usize) -> usize {
    if len < 2 {
        return len;
    }
    let exponent = len.ilog2();
    let significant_bits = exponent.ilog2() + 1;
    let mask = (1usize << (exponent - significant_bits)) - 1;
    len.saturating_add(mask) & !mask
}

/// Checks what follows the `len` bytes of a frame.
pub(super) fn check(len: usize, padding: &[u8]) -> Result<(), Fault> {
    if !padding.is_empty() && len + padding.len() != padme(len) {
        return Err(Fault::PaddingLength);
    }
    if padding.iter().any(|&byte| byte != 0) {
        return Err(Fault::PaddingNotZero);
    }
    Ok(())
}
