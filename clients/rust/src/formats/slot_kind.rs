//! The types of key slots.

use std::fmt;

use super::malformed::Malformed;

/// The secret that opens a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlotKind {
    /// A passphrase.
    Passphrase,
    /// A recovery key.
    Recovery,
    /// The master key before this one.
    Link,
}

impl SlotKind {
    pub(super) const COUNT: u8 = 3;

    /// `type` on the wire.
    pub fn to_byte(self) -> u8 {
        match self {
            Self::Passphrase => 1,
            Self::Recovery => 2,
            Self::Link => 3,
        }
    }

    pub(super) fn from_byte(byte: u8) -> Result<Self, Malformed> {
        match byte {
            1 => Ok(Self::Passphrase),
            2 => Ok(Self::Recovery),
            3 => Ok(Self::Link),
            _ => Err(Malformed::UnknownSlot),
        }
    }
}

impl fmt::Display for SlotKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Passphrase => "passphrase",
            Self::Recovery => "recovery",
            Self::Link => "link",
        })
    }
}
