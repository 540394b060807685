//! `tidelog issuer`: systems whose users an app lets in.

use serde_json::json;

use super::{CommandError, Outcome, found, no_app, time};
use crate::auth::issuers::{check_keys, check_keys_url, discover_keys_url};
use crate::model::actors::Actor;
use crate::model::issuers::{Issuer, NewIssuer, check_name};
use crate::store::Store;

/// Where an issuer's keys come from; neither means that its own metadata says.
pub(super) struct KeySource {
    pub(super) url: Option<String>,
    pub(super) document: Option<String>,
}

pub(super) async fn add(
    store: &Store,
    app: String,
    issuer: String,
    audience: String,
    source: KeySource,
) -> Outcome {
    check_name("an issuer", &issuer)?;
    check_name("an audience", &audience)?;
    // Before anything is asked of anybody.
    store.find_app(app.clone()).await?.ok_or_else(|| no_app(&app))?;
    let (jwks_url, jwks) = match source {
        KeySource { document: Some(jwks), .. } => {
            check_keys(&jwks)?;
            (None, Some(jwks))
        }
        KeySource { url: Some(url), .. } => {
            check_keys_url(&url)?;
            (Some(url), None)
        }
        KeySource { .. } => {
            let discovered = discover_keys_url(&issuer).await;
            let reason = |fault| {
                format!(
                    "{issuer} does not tell where its keys are ({fault}): name them by --jwks-url or --jwks-file"
                )
            };
            (Some(discovered.map_err(reason)?), None)
        }
    };
    let new = NewIssuer { issuer, audience, jwks_url, jwks };
    let trusted = store.trust_issuer(Actor::Operator, app.clone(), new).await?;
    trusted.as_ref().map(row).ok_or_else(|| no_app(&app))
}

pub(super) async fn list(store: &Store, app: String) -> Outcome {
    let issuers = store.list_issuers(app.clone()).await?.ok_or_else(|| no_app(&app))?;
    Ok(issuers.iter().map(row).collect())
}

pub(super) async fn remove(store: &Store, app: String, issuer: String) -> Outcome {
    let removed = store.distrust_issuer(Actor::Operator, app.clone(), issuer.clone()).await?;
    let answer = json!({ "issuer": issuer });
    found(removed, answer, || format!("{app:?} trusts no issuer {issuer}"))
}

fn row(issuer: &Issuer) -> serde_json::Value {
    json!({
        "issuer": issuer.issuer,
        "audience": issuer.audience,
        "jwks_url": issuer.jwks_url,
        "fetched_at": issuer.fetched_at.map(time),
        "created_at": time(issuer.created_at),
    })
}

impl From<crate::auth::issuers::FetchFault> for CommandError {
    fn from(fault: crate::auth::issuers::FetchFault) -> Self {
        Self::Failed(fault.to_string())
    }
}
