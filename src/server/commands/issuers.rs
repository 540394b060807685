//! `tidelog issuer`.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use tidelog_protocol::Timestamp;

use super::answer::{Answer, CommandError, answer, answer_if, no_app, time};
use super::context::CommandContext;
use crate::auth::issuers::{check_keys, check_keys_url, discover_keys_url};
use crate::model::actors::Actor;
use crate::model::issuers::{Issuer, NewIssuer, check_name};

/// Manages the issuers that an app trusts.
#[derive(Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssuerCommand {
    /// Let an app accept an issuer's tokens, or change how it does
    ///
    /// Without --jwks-url and --jwks-file, the issuer's keys are found by OpenID Connect Discovery.
    Add {
        /// Name or ID of the app
        app: String,
        /// URL of the issuer, exactly as in the `iss` claim of its tokens
        #[arg(value_name = "URL")]
        issuer: String,
        /// Required `aud` claim
        #[arg(long)]
        audience: String,
        /// https:// URL of the issuer's JSON Web Key Set
        #[arg(long, value_name = "URL", conflicts_with = "jwks")]
        jwks_url: Option<String>,
        /// File with the issuer's JSON Web Key Set, which is then never fetched
        #[arg(long = "jwks-file", value_name = "FILE", value_parser = read_file)]
        jwks: Option<String>,
    },
    /// List the issuers that an app trusts
    List {
        /// Name or ID of the app
        app: String,
    },
    /// Stop trusting an issuer and end the sessions it started; its users and their data stay
    Remove {
        /// Name or ID of the app
        app: String,
        /// URL of the issuer
        #[arg(value_name = "URL")]
        issuer: String,
    },
}

#[derive(Serialize)]
struct IssuerDetails {
    issuer: String,
    audience: String,
    jwks_url: Option<String>,
    fetched_at: Option<Timestamp>,
    created_at: Option<Timestamp>,
}

impl From<Issuer> for IssuerDetails {
    fn from(issuer: Issuer) -> Self {
        Self {
            issuer: issuer.issuer,
            audience: issuer.audience,
            jwks_url: issuer.jwks_url,
            fetched_at: issuer.fetched_at.and_then(time),
            created_at: time(issuer.created_at),
        }
    }
}

#[derive(Serialize)]
struct RemovedIssuer {
    issuer: String,
}

impl IssuerCommand {
    pub(super) async fn execute(self, context: &CommandContext) -> Answer {
        let store = &context.store;
        match self {
            Self::Add { app, issuer, audience, jwks_url, jwks } => {
                check_name("an issuer", &issuer)?;
                check_name("an audience", &audience)?;
                // Before any request to the issuer.
                store.find_app(app.clone()).await?.ok_or_else(|| no_app(&app))?;
                let jwks_url = match &jwks {
                    Some(jwks) => check_keys(jwks).map(|()| None)?,
                    None => Some(keys_url(&issuer, jwks_url).await?),
                };
                let new = NewIssuer { issuer, audience, jwks_url, jwks };
                let trusted = store.add_issuer(Actor::Operator, app.clone(), new).await?;
                answer(IssuerDetails::from(trusted.ok_or_else(|| no_app(&app))?))
            }
            Self::List { app } => {
                let issuers = store.list_issuers(app.clone()).await?.ok_or_else(|| no_app(&app))?;
                answer(issuers.into_iter().map(IssuerDetails::from).collect::<Vec<_>>())
            }
            Self::Remove { app, issuer } => {
                let removed = store.remove_issuer(Actor::Operator, app.clone(), issuer.clone()).await?;
                let missing = format!("{app:?} doesn't trust {issuer}");
                answer_if(removed, RemovedIssuer { issuer }, || missing)
            }
        }
    }
}

/// Where to fetch an issuer's keys: the given URL, else the one in its own metadata.
async fn keys_url(issuer: &str, given: Option<String>) -> Result<String, CommandError> {
    if let Some(url) = given {
        check_keys_url(&url)?;
        return Ok(url);
    }
    discover_keys_url(issuer).await.map_err(|fault| {
        let reason =
            format!("cannot discover the keys of {issuer} ({fault}): give --jwks-url or --jwks-file");
        CommandError::Refused(reason)
    })
}

/// Reads a file before the command is sent: the server may not be allowed to read the operator's files.
fn read_file(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read it: {error}"))
}
