//! `tidelog dev`: everything there at once, to try things out.

use serde_json::json;

use super::{Common, Failure, serve};
use crate::clock::Clock;
use crate::config::Origin;
use crate::dev::{Made, make, throw_away_folder};
use crate::server::{self, Signals};

/// Log of a server that a person watches, unless they ask for another: what goes wrong, and nothing else.
const LOG: &str = "warn";

/// Serves until SIGTERM or SIGINT; a throw-away data folder goes with it.
pub(super) async fn run(common: &Common, flags: serve::Flags) -> Result<(), Failure> {
    let folder = if common.data.is_none() { Some(throw_away_folder()?) } else { None };
    let mut set = flags.settings();
    set.extend(folder.as_ref().map(|folder| ("data", folder.path().to_string_lossy().into_owned())));
    let (settings, shown) = common.settings(set)?;
    let silent = shown.iter().any(|shown| shown.key == "log" && shown.origin == Origin::Default);
    serve::log_to_stderr(if silent { LOG } else { &settings.log })?;
    let signals = Signals::listen()?;
    let running = server::start(settings, Clock::system()).await?;
    let made = make(running.operator()).await?;
    let url = running.url().to_owned();
    // Before the print: whoever has read what is printed may go on to read the file.
    flags.announce(&url)?;
    if common.json {
        let Made { app_id, api_key, email, password, user_id } = &made;
        let all = json!({
            "url": url, "app_id": app_id, "api_key": api_key,
            "email": email, "password": password, "user_id": user_id,
        });
        common.output().answer(&all)?;
    } else {
        let kept = if folder.is_some() { "Throw-away data" } else { "The data is kept" };
        common.output().raw(&welcome(&url, kept, &made))?;
    }
    running.run_until(signals).await;
    Ok(())
}

/// What a person sees, with commands that work when pasted into a shell as they stand.
fn welcome(url: &str, kept: &str, made: &Made) -> String {
    let Made { app_id, api_key, email, password, .. } = made;
    let (curl, base) = match url.strip_prefix("unix:") {
        Some(socket) => (format!("curl -s --unix-socket '{socket}'"), "http://localhost"),
        None => ("curl -s".into(), url),
    };
    format!(
        r#"Tidelog is ready at {url}. {kept}; Ctrl-C ends it.

  app_id    {app_id}
  api_key   {api_key}
  email     {email}
  password  {password}
  account   {base}/account

Paste these into another shell:

# What the examples are started with
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

# Push a change from one
BATCH=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)
{curl} {base}/api/sync/push -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
  -d "{{\"device_id\":\"$LAPTOP\",\"batch_id\":\"$BATCH\",\"changes\":[{{\"table\":\"tasks\",\"op\":\"insert\",\"row_id\":\"1\",\"timestamp\":\"2026-01-01T12:00:00Z\",\"data\":\"c2VhbGVk\"}}]}}"; echo

# Pull it with the other
{curl} {base}/api/sync/pull -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
  -d "{{\"device_id\":\"$PHONE\",\"cursor\":0}}"; echo
"#
    )
}
