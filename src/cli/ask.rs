//! Gets a command carried out: by the running server if there is one, else here, under the data folder's lock.

use std::time::Duration;

use serde_json::Value;

use super::{Common, Failure};
use crate::clock::Clock;
use crate::config::{Listen, Settings};
use crate::mail::Mailer;
use crate::notify::Hub;
use crate::server::commands::{Command, Operator, execute};
use crate::server::{CallError, call, passwords, store_options, sweep};
use crate::store::{DATABASE_FILE, OpenError, Store};

/// Attempts while the data folder is locked and nobody listens yet, or any more: a server that starts or stops.
const ATTEMPTS: u32 = 50;
/// Pause between two of them.
const PAUSE: Duration = Duration::from_millis(100);

/// The command's answer.
pub(super) async fn ask(common: &Common, command: Command) -> Result<Value, Failure> {
    let (settings, _) = common.settings(Vec::new())?;
    // Only what makes something may make the folder; anything else on a mistyped one would say "there is nothing".
    let makes = matches!(command, Command::AppCreate { .. } | Command::UserCreate { .. });
    if !makes && !settings.data.join(DATABASE_FILE).exists() {
        return Err(format!("there is no Tidelog database in {}", settings.data.display()).into());
    }
    for _ in 0..ATTEMPTS {
        match call(&settings.data, &command).await {
            Err(CallError::NobodyThere) => {}
            answered => return Ok(answered?),
        }
        match Store::open(store_options(&settings, false), Clock::system(), Hub::default()) {
            Err(OpenError::InUse(_)) => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
            Ok(store) => {
                let answer = execute_alone(&settings, &store, command).await;
                store.close().await;
                return answer;
            }
        }
    }
    Err(OpenError::InUse(settings.data).into())
}

/// Carries it out here, where no server runs.
async fn execute_alone(settings: &Settings, store: &Store, command: Command) -> Result<Value, Failure> {
    let sweep = match command {
        Command::Sweep { dry_run } => {
            let sweep = sweep(settings, store, &Clock::system())?;
            if let Some(sweep) = sweep.as_ref().filter(|_| !dry_run) {
                sweep.blobs().clear_unfinished().await?;
            }
            sweep
        }
        _ => None,
    };
    let url = match (&settings.public_url, &settings.listen) {
        (Some(url), _) => url.trim_end_matches('/').to_owned(),
        (None, Listen::Tcp(address)) => format!("http://{address}"),
        (None, Listen::Unix(path)) => format!("unix:{}", path.display()),
    };
    let mailer = match command {
        Command::InviteMail { .. } | Command::UserMailReset { .. } => Mailer::open(&settings.mail)?,
        _ => None,
    };
    let (passwords, clock) = (passwords(settings)?, Clock::system());
    let sign_up = settings.auth.sign_up;
    let operator =
        Operator { store: store.clone(), auth: None, passwords, sweep, mailer, sign_up, clock, url };
    Ok(execute(&operator, command).await?)
}
