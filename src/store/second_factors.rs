//! Second factors: enrolled, shown, replaced, taken away.

use rusqlite::{OptionalExtension, Row};

use super::group::WriteTx;
use super::{Store, audit, users};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::second_factors::{SECRET_BYTES, SecondFactor, Shown, may_take};

const STATE: &str = "
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
const FORGET_CODES: &str = "DELETE FROM recovery_codes WHERE user = ?1";
const ADD_CODE: &str = "INSERT INTO recovery_codes (user, hash) VALUES (?1, ?2)";
const DISABLE: &str = "DELETE FROM second_factors WHERE user = ?1";

fn replace_codes(tx: &WriteTx<'_>, user: i64, hashes: &[[u8; 32]]) -> Result<(), Fault> {
    tx.prepare_cached(FORGET_CODES)?.execute([user])?;
    for hash in hashes {
        tx.prepare_cached(ADD_CODE)?.execute((user, hash))?;
    }
    Ok(())
}

fn remove_second_factor(tx: &WriteTx<'_>, actor: Actor, user: i64) -> Result<bool, Fault> {
    tx.prepare_cached(FORGET_CODES)?.execute([user])?;
    let was_there = tx.prepare_cached(DISABLE)?.execute([user])? > 0;
    if was_there {
        audit::record_user(tx, actor, Action::TwoFactorDisabled, user, None)?;
    }
    Ok(was_there)
}

impl Store {
    /// Takes what was shown as a second factor, if it is right and was not used before.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn take_second_factor(&self, actor: Actor, user: i64, shown: Shown) -> Result<bool, Fault> {
        self.write(1, move |tx| match shown {
            Shown::Time(None) => Ok(false),
            Shown::Time(Some(step)) => {
                let last: Option<i64> =
                    tx.prepare_cached(LAST_STEP)?.query_row([user], |row| row.get(0)).optional()?;
                let taken = last.is_some_and(|last| may_take(step, last));
                if taken {
                    tx.prepare_cached(USE_STEP)?.execute((user, step))?;
                }
                Ok(taken)
            }
            Shown::Recovery(hash) => {
                let taken = tx.prepare_cached(USE_RECOVERY_CODE)?.execute((user, hash))? > 0;
                if taken {
                    audit::record_user(tx, actor, Action::RecoveryCodeUsed, user, None)?;
                }
                Ok(taken)
            }
        })
        .await
    }

    /// How an account stands with second factors.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn second_factor(&self, user: i64) -> Result<SecondFactor, Fault> {
        self.read(move |connection| {
            let from_row =
                |row: &Row<'_>| Ok(SecondFactor { enabled: row.get(0)?, recovery_codes_left: row.get(1)? });
            Ok(connection.prepare_cached(STATE)?.query_row([user], from_row)?)
        })
        .await
    }

    /// Keeps a secret until a code of it is shown. `false`: a second factor is in force already.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn enrol_second_factor(&self, user: i64, secret: [u8; SECRET_BYTES]) -> Result<bool, Fault> {
        self.write(1, move |tx| Ok(tx.prepare_cached(ENROL)?.execute((user, secret, tx.now_us))? > 0)).await
    }

    /// The secret that waits for a code.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn unconfirmed_second_factor(&self, user: i64) -> Result<Option<[u8; SECRET_BYTES]>, Fault> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(UNCONFIRMED)?;
            Ok(statement.query_row([user], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Puts a second factor in force, whose first code was of this step, with these recovery codes. `false`: another secret waits
    /// for a code, or none.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn confirm_second_factor(
        &self,
        actor: Actor,
        user: i64,
        secret: [u8; SECRET_BYTES],
        step: i64,
        recovery_codes: Vec<[u8; 32]>,
    ) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let waiting: Option<[u8; SECRET_BYTES]> =
                tx.prepare_cached(UNCONFIRMED)?.query_row([user], |row| row.get(0)).optional()?;
            if waiting != Some(secret) {
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
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn replace_recovery_codes(&self, user: i64, hashes: Vec<[u8; 32]>) -> Result<(), Fault> {
        self.write(1, move |tx| replace_codes(tx, user, &hashes)).await
    }

    /// Asks for no second factor any more. `false`: none was asked for.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn disable_second_factor(&self, actor: Actor, user: i64) -> Result<bool, Fault> {
        self.write(1, move |tx| remove_second_factor(tx, actor, user)).await
    }

    /// The operator's way: by address or id. `None`: there is no such account; else whether a second factor was asked for.
    ///
    /// # Errors
    /// A fault of the database.
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
