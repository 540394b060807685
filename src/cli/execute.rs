//! Executes an operator's command: in the running server if there is one, else here, under the data folder's lock.

use std::time::Duration;

use serde_json::Value;

use super::args::GlobalArgs;
use super::output::BoxError;
use super::password;
use crate::blobs::SweepReport;
use crate::clock::Clock;
use crate::config::{Listen, Settings};
use crate::mail::Mailer;
use crate::notify::Hub;
use crate::server::commands::{CheckReport, Command, CommandContext, SweepCommand};
use crate::server::{CallError, call, open_blobs, passwords, store_options};
use crate::store::{DATABASE_FILE, OpenError, Store};

/// Attempts while the data folder is locked but no server listens: one is starting or stopping.
const MAX_ATTEMPTS: u32 = 50;
/// Pause between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Executes the command and prints its answer. Fails, too, where a check or a sweep found damage.
pub(super) async fn run(global: &GlobalArgs, mut command: Command) -> Result<(), BoxError> {
    password::read_for(&mut command)?;
    let (is_check, is_sweep) = (matches!(command, Command::Check), matches!(command, Command::Sweep(_)));
    let answer = execute(global, command).await?;
    global.output().answer(&answer)?;
    if is_check && !serde_json::from_value::<CheckReport>(answer.clone())?.ok {
        return Err("the database is damaged".into());
    }
    if is_sweep && serde_json::from_value::<SweepReport>(answer)?.missing_objects > 0 {
        return Err("the data of some blobs is missing".into());
    }
    Ok(())
}

async fn execute(global: &GlobalArgs, command: Command) -> Result<Value, BoxError> {
    let (settings, _) = global.settings(Vec::new())?;
    if !command.may_create_data() && !settings.data.join(DATABASE_FILE).exists() {
        return Err(format!("no Tidelog database in {}", settings.data.display()).into());
    }
    for _ in 0..MAX_ATTEMPTS {
        match call(&settings.data, &command).await {
            Err(CallError::NotRunning) => {}
            answered => return Ok(answered?),
        }
        match Store::open(store_options(&settings, false), Clock::system(), Hub::default()) {
            Err(OpenError::InUse(_)) => tokio::time::sleep(RETRY_INTERVAL).await,
            Err(error) => return Err(error.into()),
            Ok(store) => {
                let answer = execute_here(&settings, &store, command).await;
                store.close().await;
                return answer;
            }
        }
    }
    Err(OpenError::InUse(settings.data).into())
}

/// Executes it in this process, as no server is running.
async fn execute_here(settings: &Settings, store: &Store, command: Command) -> Result<Value, BoxError> {
    let sweeper = match command {
        Command::Sweep(SweepCommand { dry_run }) => match open_blobs(settings, store, &Clock::system())? {
            Some((blobs, sweeper)) => {
                if !dry_run {
                    blobs.clear_unfinished().await?;
                }
                Some(sweeper)
            }
            None => None,
        },
        _ => None,
    };
    let url = match (&settings.public_url, &settings.listen) {
        (Some(url), _) => url.trim_end_matches('/').to_owned(),
        (None, Listen::Tcp(address)) => format!("http://{address}"),
        (None, Listen::Unix(path)) => format!("unix:{}", path.display()),
    };
    let context = CommandContext {
        store: store.clone(),
        auth: None,
        passwords: passwords(settings)?,
        sweeper,
        mailer: if command.sends_mail() { Mailer::open(&settings.mail)? } else { None },
        sign_up: settings.auth.sign_up,
        clock: Clock::system(),
        url,
    };
    Ok(command.execute(&context).await?)
}
