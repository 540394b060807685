//! Padding hides the length of a payload, at a cost of at most 12 %: lengths are rounded up by Padmé (Nikitin et al.,
//! "Reducing Metadata Leakage from Encrypted Files", 2019), which leaks only O(log log n) bits of the length.
//!
//! The length of the whole frame is rounded, from its kind to the end of its payload. A frame on the wire has either
//! exactly that length (padding off) or exactly its Padmé length; anything else is refused, so that a frame has only
//! these two forms.

use super::malformed::Malformed;

/// Whether frames are padded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Zeros up to the Padmé length of the frame.
    #[default]
    Padme,
    /// None: the length of a payload is visible.
    Off,
}

impl Padding {
    /// Returns the length to which a frame of `len` bytes is padded.
    pub fn length_of(self, len: usize) -> usize {
        match self {
            Self::Padme => padme(len),
            Self::Off => len,
        }
    }
}

/// Rounds `len` up so that it has no more significant bits than its exponent has bits, as in a floating-point number.
pub fn padme(len: usize) -> usize {
    if len < 2 {
        return len;
    }
    let exponent = len.ilog2();
    let significant_bits = exponent.ilog2() + 1;
    let mask = (1usize << (exponent - significant_bits)) - 1;
    len.saturating_add(mask) & !mask
}

/// Checks the padding after the `len` bytes of a frame.
pub(super) fn check(len: usize, padding: &[u8]) -> Result<(), Malformed> {
    if !padding.is_empty() && len + padding.len() != padme(len) {
        return Err(Malformed::PaddingLength);
    }
    if padding.iter().any(|&byte| byte != 0) {
        return Err(Malformed::PaddingNotZero);
    }
    Ok(())
}
