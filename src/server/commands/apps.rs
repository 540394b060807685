//! `app`: the programs that sync.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{CommandError, Outcome, no_app, time};
use crate::auth::secrets::{hash_secret, new_api_key};
use crate::model::actors::Actor;
use crate::model::apps::{App, check_name};
use crate::store::{NewApp, Store};

/// Makes one; its API key is shown only now.
pub(super) async fn create(store: &Store, name: String) -> Outcome {
    check_name(&name)?;
    let api_key = new_api_key()?;
    match store.create_app(Actor::Operator, Uuid::now_v7(), name.clone(), hash_secret(&api_key)).await? {
        NewApp::Created(app) => Ok(json!({ "app_id": app.id, "name": app.name, "api_key": api_key })),
        NewApp::NameTaken => Err(CommandError::Refused(format!("there is an app {name:?} already"))),
    }
}

pub(super) async fn list(store: &Store) -> Outcome {
    Ok(store.list_apps().await?.iter().map(app_json).collect())
}

pub(super) async fn show(store: &Store, app: String) -> Outcome {
    let found = store.find_app(app.clone()).await?;
    found.as_ref().map(app_json).ok_or_else(|| no_app(&app))
}

/// Gives one another API key, shown only now, and ends its sessions.
pub(super) async fn rotate_key(store: &Store, app: String) -> Outcome {
    let api_key = new_api_key()?;
    let rotated = store.rotate_app_key(Actor::Operator, app.clone(), hash_secret(&api_key)).await?;
    let rotated = rotated.ok_or_else(|| no_app(&app))?;
    Ok(json!({ "app_id": rotated.id, "api_key": api_key }))
}

pub(super) async fn set(store: &Store, app: String, assignments: &[String]) -> Outcome {
    let mut settings = store.find_app(app.clone()).await?.ok_or_else(|| no_app(&app))?.settings;
    for assignment in assignments {
        settings.assign(assignment)?;
    }
    let set = store.set_app(Actor::Operator, app.clone(), settings).await?;
    set.as_ref().map(app_json).ok_or_else(|| no_app(&app))
}

fn app_json(app: &App) -> Value {
    json!({
        "app_id": app.id,
        "name": app.name,
        "cursor_format": app.settings.cursor_format,
        "blob_hash": app.settings.blob_hash.name(),
        "redirects": app.settings.redirects,
        "cors": app.settings.origins,
        "color": app.settings.look.color,
        "icon": app.settings.look.icon.as_ref().map(|icon| format!("{icon:?}")),
        "created_at": time(app.created_at),
    })
}
