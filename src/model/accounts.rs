//! Accounts as their owners see them.

use crate::clock::MICROS_PER_SECOND;

/// Lifetime of an account session, in microseconds: 15 minutes, active or not.
pub const ACCOUNT_SESSION_US: i64 = 15 * 60 * MICROS_PER_SECOND;
