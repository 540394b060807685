//! The second factor of an account.

/// Bytes of the secret that a person's program and the server share.
pub const SECRET_BYTES: usize = 20;
/// Recovery codes that an account is given at once.
pub const RECOVERY_CODES: usize = 10;

/// What a person has shown as a second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A code by time, right for this step, or wrong.
    Time(Option<i64>),
    /// What may be a recovery code: its hash.
    Recovery([u8; 32]),
}

/// How an account stands with second factors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecondFactor {
    /// Whether one is asked for.
    pub enabled: bool,
    /// Recovery codes that are left.
    pub recovery_codes_left: u32,
}

/// Whether a code by time may be taken: none of a step twice, and none of a step before one that was used.
pub fn may_take(step: i64, last_step: i64) -> bool {
    step > last_step
}
