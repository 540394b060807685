//! The parameters of Argon2id, and the range in which they are accepted: below it a server could make guessing cheap,
//! above it a device would run out of memory or time.

use std::fmt;
use std::ops::RangeInclusive;

/// Accepted memory in KiB.
pub const ACCEPTED_M_KIB: RangeInclusive<u32> = 19_456..=262_144;

/// Accepted passes over it.
pub const ACCEPTED_T: RangeInclusive<u32> = 2..=10;

/// Accepted lanes.
pub const ACCEPTED_P: RangeInclusive<u32> = 1..=4;

/// The cost of one guess of a passphrase: the parameters of Argon2id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfCost {
    /// Memory in KiB.
    pub m_kib: u32,
    /// Passes.
    pub t: u32,
    /// Lanes.
    pub p: u32,
}

impl KdfCost {
    /// The lowest accepted cost, for tests and for machines that can do no more.
    pub const MIN: Self =
        Self { m_kib: *ACCEPTED_M_KIB.start(), t: *ACCEPTED_T.start(), p: *ACCEPTED_P.start() };

    /// Whether the cost is within the accepted ranges.
    pub fn is_accepted(self) -> bool {
        ACCEPTED_M_KIB.contains(&self.m_kib) && ACCEPTED_T.contains(&self.t) && ACCEPTED_P.contains(&self.p)
    }
}

impl Default for KdfCost {
    fn default() -> Self {
        Self { m_kib: 65_536, t: 3, p: 1 }
    }
}

impl fmt::Display for KdfCost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} KiB, {} passes, {} lanes", self.m_kib, self.t, self.p)
    }
}
