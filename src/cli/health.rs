//! `tidelog healthcheck`.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::{Common, Failure};
use crate::server::call;
use crate::server::commands::Command;

/// How long a server may take to say that it is ready.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(super) struct Flags {
    /// Where the server answers [default: what the running server of the data folder says]
    #[arg(long)]
    url: Option<String>,
}

/// Asks over HTTP, as a load balancer would.
pub(super) async fn run(common: &Common, flags: Flags) -> Result<(), Failure> {
    let url = match flags.url {
        Some(url) => url,
        None => address(common).await?,
    };
    let ready = format!("{}/ready", url.trim_end_matches('/'));
    tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
        agent.get(ready).call().map(drop)
    })
    .await?
    .map_err(|error| format!("the server at {url} is not ready: {error}"))?;
    common.output().answer(&json!({ "ready": true, "url": url }))
}

async fn address(common: &Common) -> Result<String, Failure> {
    let (settings, _) = common.settings(Vec::new())?;
    let answer = call(&settings.data, &Command::Address).await?;
    let url = answer["url"].as_str().ok_or("the server is still starting")?;
    if url.starts_with("unix:") {
        return Err("the server answers on a Unix socket; ask it through your proxy with --url".into());
    }
    Ok(url.into())
}
