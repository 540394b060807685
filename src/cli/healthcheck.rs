//! `tidelog healthcheck`.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::args::GlobalArgs;
use super::output::BoxError;
use crate::server::call;
use crate::server::commands::{Command, ServerUrl};
use crate::tls::{root_cause, use_ring};

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest response that is read, in bytes; a real one is far shorter.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

#[derive(Args)]
pub(super) struct HealthcheckArgs {
    /// URL of the server, http://… or unix:… [default: the server running on the data folder]
    #[arg(long)]
    url: Option<String>,
}

#[derive(Serialize)]
struct Health {
    ready: bool,
    url: String,
}

/// Asks over HTTP, as a load balancer would.
pub(super) async fn run(global: &GlobalArgs, args: HealthcheckArgs) -> Result<(), BoxError> {
    let url = match args.url {
        Some(url) => url,
        None => running_server_url(global).await?,
    };
    let (status, body) = get(&url).await.map_err(|error| format!("no response from {url}: {error}"))?;
    if status != StatusCode::OK {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let reason = body["error"].as_str().unwrap_or("no reason given");
        return Err(format!("{url} is not ready (status {}): {reason}", status.as_u16()).into());
    }
    global.output().answer(&Health { ready: true, url })
}

async fn running_server_url(global: &GlobalArgs) -> Result<String, BoxError> {
    let (settings, _) = global.settings(Vec::new())?;
    let answer = call(&settings.data, &Command::Url).await?;
    Ok(serde_json::from_value::<ServerUrl>(answer)?.url)
}

async fn get(url: &str) -> Result<(StatusCode, Vec<u8>), BoxError> {
    let (client, base) = match url.strip_prefix("unix:") {
        Some(path) => (client().unix_socket(Path::new(path)), "http://localhost"),
        None => (client(), url.trim_end_matches('/')),
    };
    let mut response = client.build()?.get(format!("{base}/ready")).send().await.map_err(root_cause)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(root_cause)? {
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            return Err(format!("it is longer than {MAX_RESPONSE_BYTES} bytes").into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok((response.status(), body))
}

/// Without the system's root certificates, which a container may lack: this is about a server on the same machine.
fn client() -> ClientBuilder {
    use_ring();
    let builder = ClientBuilder::new().no_proxy().redirect(Policy::none()).tls_certs_only([]);
    builder.timeout(TIMEOUT)
}
