//! `tidelog dev`: a temporary server with a sample app and user, to try things out.

use serde::Serialize;

use super::args::GlobalArgs;
use super::output::BoxError;
use super::serve::{ServeArgs, log_to_stderr};
use crate::clock::Clock;
use crate::config::Origin;
use crate::dev::{Sample, create_sample, temporary_data_folder};
use crate::server::{self, Signals};

/// Log filter unless one is set: somebody is watching the terminal, and needs to see only problems.
const LOG_FILTER: &str = "warn";

#[derive(Serialize)]
struct Ready<'a> {
    url: &'a str,
    #[serde(flatten)]
    sample: &'a Sample,
}

/// Runs the server until SIGTERM or SIGINT, then removes a temporary data folder.
pub(super) async fn run(global: &GlobalArgs, args: ServeArgs) -> Result<(), BoxError> {
    let folder = if global.data.is_none() { Some(temporary_data_folder()?) } else { None };
    let mut flags = args.settings();
    flags.extend(folder.as_ref().map(|folder| ("data", folder.path().to_string_lossy().into_owned())));
    let (settings, effective) = global.settings(flags)?;
    let is_default =
        effective.iter().any(|setting| setting.key == "log" && setting.origin == Origin::Default);
    log_to_stderr(if is_default { LOG_FILTER } else { &settings.log })?;
    let signals = Signals::install()?;
    let running = server::start(settings, Clock::system()).await?;
    let sample = create_sample(running.command_context()).await?;
    let url = running.url();
    // Before the output: a program that has read it may go on to read the file.
    args.write_address_file(url)?;
    if global.json {
        global.output().answer(&Ready { url, sample: &sample })?;
    } else {
        global.output().text(&instructions(url, folder.is_some(), &sample))?;
    }
    running.run_until(signals).await;
    Ok(())
}

/// What people see, with commands that work as they stand when pasted into a shell.
fn instructions(url: &str, is_temporary: bool, sample: &Sample) -> String {
    let Sample { app_id, api_key, email, password, .. } = sample;
    let (curl, base) = match url.strip_prefix("unix:") {
        Some(socket) => (format!("curl -s --unix-socket '{socket}'"), "http://localhost"),
        None => ("curl -s".into(), url),
    };
    let data = if is_temporary { "Its data is deleted when it stops." } else { "Its data is kept." };
    format!(
        r#"Tidelog is running at {url}. {data} Press Ctrl-C to stop.

  app_id    {app_id}
  api_key   {api_key}
  email     {email}
  password  {password}
  account   {base}/account

Paste these commands into another shell:

# Variables for these commands and the examples
URL={base} API_KEY={api_key} EMAIL={email} PASSWORD={password}

# Sign in
TOKEN=$({curl} {base}/api/sync/auth -H 'Content-Type: application/json' \
  -d '{{"email":"{email}","password":"{password}","api_key":"{api_key}"}}' \
  | sed 's/.*"token":"\([^"]*\)".*/\1/')

# Register two devices
register() {{ {curl} {base}/api/sync/devices -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
  -d "{{\"device_name\":\"$1\",\"platform\":\"linux\"}}" | sed 's/.*"id":"\([^"]*\)".*/\1/'; }}
LAPTOP=$(register Laptop)
PHONE=$(register Phone)

# Push a change from the laptop
BATCH=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)
{curl} {base}/api/sync/push -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
  -d "{{\"device_id\":\"$LAPTOP\",\"batch_id\":\"$BATCH\",\"changes\":[{{\"table\":\"tasks\",\"op\":\"insert\",\"row_id\":\"1\",\"timestamp\":\"2026-01-01T12:00:00Z\",\"data\":\"c2VhbGVk\"}}]}}"; echo

# Pull it on the phone
{curl} {base}/api/sync/pull -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
  -d "{{\"device_id\":\"$PHONE\",\"cursor\":0}}"; echo
"#
    )
}
