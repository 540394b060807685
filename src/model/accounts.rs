//! Accounts, as their owners see them.

use crate::clock::MICROS_PER_SECOND;

/// How long a person stays signed in to their account, in microseconds: a quarter of an hour, whatever they do.
pub const ACCOUNT_SESSION_US: i64 = 15 * 60 * MICROS_PER_SECOND;
