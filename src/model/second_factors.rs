//! The second factor of an account: TOTP (RFC 6238), with recovery codes.

/// Bytes of the secret that the authenticator app and the server share.
pub const SECRET_BYTES: usize = 20;
/// Recovery codes issued at once.
pub const RECOVERY_CODES: usize = 10;

/// A code that was entered as the second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondFactorCode {
    /// A code of an authenticator app: right for this time step, or wrong.
    Totp(Option<i64>),
    /// The hash of what may be a recovery code.
    Recovery([u8; 32]),
}

/// Whether an account has a second factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecondFactorStatus {
    /// Whether a sign-in requires one.
    pub enabled: bool,
    /// Unused recovery codes.
    pub recovery_codes_left: u32,
}

/// Whether a code of this time step may be used: no code is accepted twice, and none older than the last one used.
pub fn may_use_step(step: i64, last_step: i64) -> bool {
    step > last_step
}
