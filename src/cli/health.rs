//! `tidelog healthcheck`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::{Common, Failure};
use crate::server::call;
use crate::server::commands::Command;

/// How long a server may take to say that it is ready.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer, at most: the real one is far shorter.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// What a Unix socket is sent. It speaks HTTP too, but our HTTP client knows only names and ports.
const REQUEST: &[u8] = b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

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
    let asked = url.clone();
    let (status, body) = tokio::task::spawn_blocking(move || match asked.strip_prefix("unix:") {
        Some(path) => over_socket(path),
        None => over_tcp(&asked),
    })
    .await?
    .map_err(|error| format!("the server at {url} does not answer: {error}"))?;
    if status != 200 {
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        let reason = body["error"].as_str().unwrap_or("it does not say why");
        return Err(format!("the server at {url} is not ready (status {status}): {reason}").into());
    }
    common.output().answer(&json!({ "ready": true, "url": url }))
}

async fn address(common: &Common) -> Result<String, Failure> {
    let (settings, _) = common.settings(Vec::new())?;
    let answer = call(&settings.data, &Command::Address).await?;
    Ok(answer["url"].as_str().ok_or("the running server does not say where it answers")?.into())
}

fn over_tcp(url: &str) -> Result<(u16, String), Failure> {
    let settings = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false);
    let agent: ureq::Agent = settings.build().into();
    let mut answer = agent.get(format!("{}/ready", url.trim_end_matches('/'))).call()?;
    let body = answer.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_string()?;
    Ok((answer.status().as_u16(), body))
}

fn over_socket(path: &str) -> Result<(u16, String), Failure> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(REQUEST)?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("this is not HTTP")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("this is not HTTP")?;
    Ok((status, body.to_owned()))
}
