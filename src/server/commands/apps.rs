//! `tidelog app`.

use clap::Subcommand;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use tidelog_protocol::{CursorFormat, Timestamp};
use uuid::Uuid;

use super::answer::{Answer, CommandError, answer, no_app, time};
use super::context::CommandContext;
use crate::auth::secrets::{hash_secret, new_api_key};
use crate::model::actors::Actor;
use crate::model::apps::{App, Icon, check_name};

/// Manages apps.
#[derive(Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppCommand {
    /// Create an app and print its API key, which can't be shown again
    Create {
        /// Name of the app
        name: String,
    },
    /// List all apps
    List,
    /// Show an app
    Show {
        /// Name or ID of the app
        app: String,
    },
    /// Replace an app's API key and end all its sessions
    RotateKey {
        /// Name or ID of the app
        app: String,
    },
    /// Change an app's settings
    Set {
        /// Name or ID of the app
        app: String,
        /// Settings to change: cursor_format=string|number, blob_hash=any|verified, redirects=URL,URL…,
        /// cors=ORIGIN,ORIGIN… (or webview), color=#rrggbb, icon=FILE (PNG, JPEG or WebP). An empty value clears one
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = read_assignment)]
        assignments: Vec<String>,
    },
}

/// A new app. No `Debug`: it holds an API key.
#[derive(Serialize)]
pub struct CreatedApp {
    /// Its ID.
    pub app_id: Uuid,
    /// Its name.
    pub name: String,
    /// Its API key, which is stored as a hash only.
    pub api_key: String,
}

#[derive(Serialize)]
struct RotatedApiKey {
    app_id: Uuid,
    api_key: String,
}

#[derive(Serialize)]
struct AppDetails {
    app_id: Uuid,
    name: String,
    cursor_format: CursorFormat,
    blob_hash: &'static str,
    redirects: Vec<String>,
    cors: Vec<String>,
    color: Option<String>,
    icon: Option<String>,
    created_at: Option<Timestamp>,
}

impl From<App> for AppDetails {
    fn from(App { id, name, settings, created_at }: App) -> Self {
        Self {
            app_id: id,
            name,
            cursor_format: settings.cursor_format,
            blob_hash: settings.blob_hash.name(),
            redirects: settings.redirects,
            cors: settings.origins,
            color: settings.branding.color,
            icon: settings.branding.icon.map(|icon| format!("{icon:?}")),
            created_at: time(created_at),
        }
    }
}

impl AppCommand {
    pub(super) async fn execute(self, context: &CommandContext) -> Answer {
        let store = &context.store;
        match self {
            Self::Create { name } => answer(create_app(context, name).await?),
            Self::List => {
                answer(store.list_apps().await?.into_iter().map(AppDetails::from).collect::<Vec<_>>())
            }
            Self::Show { app } => details(store.find_app(app.clone()).await?, &app),
            Self::RotateKey { app } => {
                let api_key = new_api_key()?;
                let rotated =
                    store.rotate_app_key(Actor::Operator, app.clone(), hash_secret(&api_key)).await?;
                let app_id = rotated.ok_or_else(|| no_app(&app))?.id;
                answer(RotatedApiKey { app_id, api_key })
            }
            Self::Set { app, assignments } => {
                let mut settings = store.find_app(app.clone()).await?.ok_or_else(|| no_app(&app))?.settings;
                for assignment in &assignments {
                    settings.assign(assignment)?;
                }
                details(store.set_app(Actor::Operator, app.clone(), settings).await?, &app)
            }
        }
    }
}

fn details(found: Option<App>, app: &str) -> Answer {
    answer(AppDetails::from(found.ok_or_else(|| no_app(app))?))
}

/// Creates an app.
///
/// # Errors
/// The name is taken, or not allowed.
pub async fn create_app(context: &CommandContext, name: String) -> Result<CreatedApp, CommandError> {
    check_name(&name)?;
    let api_key = new_api_key()?;
    let (id, hash) = (Uuid::now_v7(), hash_secret(&api_key));
    match context.store.create_app(Actor::Operator, id, name.clone(), hash).await? {
        Some(app) => Ok(CreatedApp { app_id: app.id, name: app.name, api_key }),
        None => Err(CommandError::Refused(format!("app {name:?} already exists"))),
    }
}

/// Replaces the name of an icon's file by its content, in base64, before the command is sent: the server may not be
/// allowed to read the operator's files.
fn read_assignment(assignment: &str) -> Result<String, String> {
    match assignment.strip_prefix("icon=") {
        None | Some("") => Ok(assignment.into()),
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))?;
            Ok(format!("icon={}", BASE64.encode(&Icon::from_file(bytes)?.bytes)))
        }
    }
}
