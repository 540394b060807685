//! `tidelog healthcheck`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::args::GlobalArgs;
use super::output::BoxError;
use crate::server::call;
use crate::server::commands::{Command, ServerUrl};

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest response that is read, in bytes; a real one is far shorter.
const MAX_RESPONSE_BYTES: u64 = 64 * 1024;
/// Sent to a Unix socket, which our HTTP client doesn't support.
const REQUEST: &[u8] = b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

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
    let target = url.clone();
    let (status, body) = tokio::task::spawn_blocking(move || match target.strip_prefix("unix:") {
        Some(path) => get_over_socket(path),
        None => get_over_tcp(&target),
    })
    .await?
    .map_err(|error| format!("no response from {url}: {error}"))?;
    if status != 200 {
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        let reason = body["error"].as_str().unwrap_or("no reason given");
        return Err(format!("{url} is not ready (status {status}): {reason}").into());
    }
    global.output().answer(&Health { ready: true, url })
}

async fn running_server_url(global: &GlobalArgs) -> Result<String, BoxError> {
    let (settings, _) = global.settings(Vec::new())?;
    let answer = call(&settings.data, &Command::Url).await?;
    Ok(serde_json::from_value::<ServerUrl>(answer)?.url)
}

fn get_over_tcp(url: &str) -> Result<(u16, String), BoxError> {
    let settings = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
    let agent: ureq::Agent = settings.build().into();
    let mut response = agent.get(format!("{}/ready", url.trim_end_matches('/'))).call()?;
    let body = response.body_mut().with_config().limit(MAX_RESPONSE_BYTES).read_to_string()?;
    Ok((response.status().as_u16(), body))
}

fn get_over_socket(path: &str) -> Result<(u16, String), BoxError> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(REQUEST)?;
    let mut response = String::new();
    stream.take(MAX_RESPONSE_BYTES).read_to_string(&mut response)?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or("not an HTTP response")?;
    let status =
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("not an HTTP response")?;
    Ok((status, body.to_owned()))
}
