//! Second factors: enrolled, confirmed, checked, disabled.

use rusqlite::{OptionalExtension, Row};

use super::group::WriteTx;
use super::{Store, audit, users};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::second_factors::{SECRET_BYTES, SecondFactorCode, SecondFactorStatus, may_use_step};

const STATUS: &str = "
    SELECT EXISTS (SELECT 1 FROM second_factors WHERE user = ?1 AND confirmed_at IS NOT NULL),
        (SELECT count(*) FROM recovery_codes WHERE user = ?1)";
const LAST_STEP: &str =
    "SELECT last_used_step FROM second_factors WHERE user = ?1 AND confirmed_at IS NOT NULL";
const USE_STEP: &str = "UPDATE second_factors SET last_used_step = ?2 WHERE user = ?1";
const USE_RECOVERY_CODE: &str = "DELETE FROM recovery_codes WHERE user = ?1 AND hash = ?2";
const ENROL: &str = "
    INSERT INTO second_factors (user, secret, created_at) VALUES (?1, ?2, ?3)
    ON CONFLICT (user) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at
    WHERE confirmed_at IS NULL";
const UNCONFIRMED: &str = "SELECT secret FROM second_factors WHERE user = ?1 AND confirmed_at IS NULL";
const CONFIRM: &str = "UPDATE second_factors SET confirmed_at = ?2, last_used_step = ?3 WHERE user = ?1";
const DELETE_CODES: &str = "DELETE FROM recovery_codes WHERE user = ?1";
const ADD_CODE: &str = "INSERT INTO recovery_codes (user, hash) VALUES (?1, ?2)";
const DISABLE: &str = "DELETE FROM second_factors WHERE user = ?1";

fn replace_codes(tx: &WriteTx<'_>, user: i64, hashes: &[[u8; 32]]) -> Result<(), Fault> {
    tx.prepare_cached(DELETE_CODES)?.execute([user])?;
    for hash in hashes {
        tx.prepare_cached(ADD_CODE)?.execute((user, hash))?;
    }
    Ok(())
}

fn remove_second_factor(tx: &WriteTx<'_>, actor: Actor, user: i64) -> Result<bool, Fault> {
    tx.prepare_cached(DELETE_CODES)?.execute([user])?;
    let existed = tx.prepare_cached(DISABLE)?.execute([user])? > 0;
    if existed {
        audit::record_user(tx, actor, Action::TwoFactorDisabled, user, None)?;
    }
    Ok(existed)
}

impl Store {
    /// Uses a code of a second factor up. `false`: it is wrong or was used before.
    pub async fn use_second_factor(
        &self,
        actor: Actor,
        user: i64,
        code: SecondFactorCode,
    ) -> Result<bool, Fault> {
        self.write(1, move |tx| match code {
            SecondFactorCode::Totp(None) => Ok(false),
            SecondFactorCode::Totp(Some(step)) => {
                let last: Option<i64> =
                    tx.prepare_cached(LAST_STEP)?.query_row([user], |row| row.get(0)).optional()?;
                let is_right = last.is_some_and(|last| may_use_step(step, last));
                if is_right {
                    tx.prepare_cached(USE_STEP)?.execute((user, step))?;
                }
                Ok(is_right)
            }
            SecondFactorCode::Recovery(hash) => {
                let is_right = tx.prepare_cached(USE_RECOVERY_CODE)?.execute((user, hash))? > 0;
                if is_right {
                    audit::record_user(tx, actor, Action::RecoveryCodeUsed, user, None)?;
                }
                Ok(is_right)
            }
        })
        .await
    }

    /// Whether an account has a second factor.
    pub async fn second_factor_status(&self, user: i64) -> Result<SecondFactorStatus, Fault> {
        self.read(move |connection| {
            let from_row = |row: &Row<'_>| {
                Ok(SecondFactorStatus { enabled: row.get(0)?, recovery_codes_left: row.get(1)? })
            };
            Ok(connection.prepare_cached(STATUS)?.query_row([user], from_row)?)
        })
        .await
    }

    /// Stores a secret that is unconfirmed until a code of it is entered. `false`: a second factor is enabled already.
    pub async fn enrol_second_factor(&self, user: i64, secret: [u8; SECRET_BYTES]) -> Result<bool, Fault> {
        self.write(1, move |tx| Ok(tx.prepare_cached(ENROL)?.execute((user, secret, tx.now_us))? > 0)).await
    }

    /// The unconfirmed secret.
    pub async fn unconfirmed_second_factor(&self, user: i64) -> Result<Option<[u8; SECRET_BYTES]>, Fault> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(UNCONFIRMED)?;
            Ok(statement.query_row([user], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Enables a second factor, whose first code was of this step, with these recovery codes. `false`: this is not
    /// the unconfirmed secret any more.
    pub async fn confirm_second_factor(
        &self,
        actor: Actor,
        user: i64,
        secret: [u8; SECRET_BYTES],
        step: i64,
        recovery_codes: Vec<[u8; 32]>,
    ) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let unconfirmed: Option<[u8; SECRET_BYTES]> =
                tx.prepare_cached(UNCONFIRMED)?.query_row([user], |row| row.get(0)).optional()?;
            if unconfirmed != Some(secret) {
                return Ok(false);
            }
            tx.prepare_cached(CONFIRM)?.execute((user, tx.now_us, step))?;
            replace_codes(tx, user, &recovery_codes)?;
            audit::record_user(tx, actor, Action::TwoFactorEnabled, user, None)?;
            Ok(true)
        })
        .await
    }

    /// Replaces all recovery codes of an account.
    pub async fn replace_recovery_codes(&self, user: i64, hashes: Vec<[u8; 32]>) -> Result<(), Fault> {
        self.write(1, move |tx| replace_codes(tx, user, &hashes)).await
    }

    /// Disables a second factor. `false`: there was none.
    pub async fn disable_second_factor(&self, actor: Actor, user: i64) -> Result<bool, Fault> {
        self.write(1, move |tx| remove_second_factor(tx, actor, user)).await
    }

    /// Disables the second factor of a user given by email or id; `Some(false)`: there was none. `None`: there is no
    /// such user.
    pub async fn disable_second_factor_of(
        &self,
        actor: Actor,
        selector: String,
    ) -> Result<Option<bool>, Fault> {
        self.write(1, move |tx| match users::find(tx, &selector)? {
            Some((user, _)) => remove_second_factor(tx, actor, user).map(Some),
            None => Ok(None),
        })
        .await
    }
}
