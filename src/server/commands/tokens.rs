//! `tidelog token`: access tokens of administrators, and of whoever publishes releases.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{CommandError, Outcome, found, no_app, time};
use crate::auth::access_tokens::new_access_token;
use crate::auth::secrets::hash_secret;
use crate::clock::MICROS_PER_SECOND;
use crate::model::access_tokens::{AccessToken, MAX_DAYS, Scope};
use crate::model::actors::Actor;
use crate::store::{NewAccessToken, Store};

/// A day, in microseconds.
const DAY_US: i64 = 24 * 60 * 60 * MICROS_PER_SECOND;

pub(super) async fn create(store: &Store, scope: &str, app: Option<String>, days: u32) -> Outcome {
    let unknown = || CommandError::Refused(format!("there is no scope {scope:?}: it is admin or ota"));
    let scope = Scope::from_name(scope).ok_or_else(unknown)?;
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(CommandError::Refused(format!("a token is good for 1 to {MAX_DAYS} days")));
    }
    if scope == Scope::Ota && app.is_none() {
        return Err(CommandError::Refused(
            "a token that publishes releases is for one app: name it by --app".into(),
        ));
    }
    let (id, token) = (Uuid::now_v7(), new_access_token()?);
    let expires_at = store.now_us() + i64::from(days) * DAY_US;
    let new = NewAccessToken { id, hash: hash_secret(&token), scope, app: app.clone(), expires_at };
    if !store.create_access_token(Actor::Operator, new).await? {
        return Err(no_app(app.as_deref().unwrap_or_default()));
    }
    Ok(json!({ "token_id": id, "token": token, "expires_at": time(expires_at) }))
}

pub(super) async fn list(store: &Store) -> Outcome {
    Ok(store.list_access_tokens().await?.iter().map(row).collect())
}

pub(super) async fn revoke(store: &Store, token: Uuid) -> Outcome {
    let revoked = store.revoke_access_token(Actor::Operator, token).await?;
    found(revoked, json!({ "token_id": token }), || format!("there is no token {token}"))
}

fn row(token: &AccessToken) -> Value {
    json!({
        "token_id": token.id,
        "scope": token.scope.name(),
        "app": token.app.as_ref().map(|(_, name)| name),
        "created_at": time(token.created_at),
        "expires_at": time(token.expires_at),
        "last_used_at": token.last_used_at.map(time),
    })
}
