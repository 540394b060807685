//! `user`: the accounts that sign in.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{CommandError, Outcome, address, found, time};
use crate::auth::passwords::Passwords;
use crate::model::actors::Actor;
use crate::model::users::{User, check_new_password};
use crate::store::{NewUser, Store};

pub(super) async fn create(
    store: &Store,
    passwords: &Passwords,
    email: &str,
    password: String,
    admin: bool,
) -> Outcome {
    let email = address(email)?;
    check_new_password(&password).map_err(|reason| format!("the password {reason}"))?;
    let hash = passwords.hash(password).await?;
    match store.create_user(Actor::Operator, Uuid::now_v7(), email.clone(), hash, admin).await? {
        NewUser::Created(user) => Ok(json!({ "user_id": user.id, "email": user.email, "admin": user.admin })),
        NewUser::EmailTaken => Err(CommandError::Refused(format!("there is a user {email} already"))),
    }
}

pub(super) async fn list(store: &Store) -> Outcome {
    Ok(store.list_users().await?.iter().map(user_json).collect())
}

/// Gives an account another password, and ends its sessions.
pub(super) async fn reset_password(
    store: &Store,
    passwords: &Passwords,
    email: &str,
    password: String,
) -> Outcome {
    check_new_password(&password).map_err(|reason| format!("the password {reason}"))?;
    let hash = passwords.hash(password).await?;
    changed(store.set_password(Actor::Operator, address(email)?, hash).await?, email)
}

/// What is said of an account that was changed, if it was there.
pub(super) fn changed(was_there: bool, email: &str) -> Outcome {
    found(was_there, json!({ "email": email.trim().to_lowercase() }), || format!("there is no user {email}"))
}

fn user_json(user: &User) -> Value {
    json!({
        "user_id": user.id,
        "email": user.email,
        "admin": user.admin,
        "disabled_at": user.disabled_at.map(time),
        "created_at": time(user.created_at),
    })
}
