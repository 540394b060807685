//! A to-do app for the terminal whose lists are the same on all of a user's devices, live. Runs until you quit.
//!
//! ```text
//! cargo example todo                                without sync
//! cargo example todo -- --server URL --api-key KEY --email EMAIL --database laptop.db
//! ```
//!
//! It is an ordinary app on SQLite: `schema.sql`, `database.rs` and a screen. The dozen lines in `sync.rs` make it
//! sync, with the account that `account.rs` signs in to. It works without a network: changes are sent later.
//!
//! The first start asks for the password and the passphrase without showing them, or takes them from
//! `TIDELOG_PASSWORD` and `TIDELOG_PASSPHRASE`. Later starts find the session and the key in a file next to the
//! database.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "an app is not the server")]

mod account;
mod app;
mod database;
mod due;
mod input_line;
mod key_file;
mod keys;
mod screen;
mod secrets;
mod selection;
mod sync;
mod sync_controller;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use account::Options;
use app::App;
use database::Database;
use keys::KeyAction;
use sync_controller::{StatusKind, SyncController};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// How often the app checks whether another device has changed something, which takes a few microseconds.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The exit code after a signal: the one that shells use for SIGTERM.
const SIGTERM_EXIT_CODE: i32 = 143;

/// To-do lists that are the same on all of your devices.
#[derive(Parser)]
#[command(name = "todo")]
struct Arguments {
    #[command(flatten)]
    account: Option<Options>,
    /// The file with the lists
    #[arg(long, value_name = "FILE", default_value = "todo.db")]
    database: PathBuf,
    /// This device's name [default: the file's name]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("todo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let runtime = Runtime::new()?;
    let _inside = runtime.enter();
    let database = &arguments.database;
    let stem = database.file_stem().unwrap_or_default().to_string_lossy();
    let device = arguments.device.as_deref().unwrap_or(&stem);
    // The app's own tables and migrations come first: the replica attaches to them.
    let mut app = App::new(Database::open(database)?);
    let start = |options| SyncController::start(runtime.handle(), options, device, database);
    let mut sync = arguments.account.as_ref().map(start).transpose()?;
    restore_terminal_on_signals(runtime.handle())?;
    // Also restores the terminal after a panic.
    let mut terminal = ratatui::try_init()?;
    let outcome = run_screen(&mut terminal, &mut app, &mut sync, device);
    ratatui::restore();
    outcome
}

/// Shows the app until the user quits.
fn run_screen(
    terminal: &mut DefaultTerminal,
    app: &mut App,
    sync: &mut Option<SyncController>,
    device: &str,
) -> Result<()> {
    let mut has_changed = true;
    loop {
        has_changed |= app.refresh_if_changed()?;
        if let Some(sync) = sync.as_mut().filter(|_| std::mem::take(&mut has_changed)) {
            app.problems = sync.refresh()?;
        }
        let unsynced = || Ok((StatusKind::Offline, "on this device only".to_owned()));
        let status = sync.as_mut().map_or_else(unsynced, SyncController::status)?;
        terminal.draw(|frame| screen::draw(frame, app, device, &status))?;
        if !event::poll(POLL_INTERVAL)? {
            continue;
        }
        let Event::Key(key) = event::read()? else { continue };
        if !key.is_press() {
            continue;
        }
        has_changed = true;
        match (keys::press(app, key), &mut *sync) {
            (Ok(KeyAction::Quit), _) => return Ok(()),
            (Ok(KeyAction::Sync), Some(sync)) if sync.needs_user() => {
                app.message = sign_in(terminal, sync)?;
            }
            (Ok(KeyAction::Sync), Some(sync)) => sync.retry_now(),
            (Ok(KeyAction::DismissProblems), Some(sync)) => sync.dismiss_problems()?,
            (Ok(KeyAction::Continue | KeyAction::Sync | KeyAction::DismissProblems), _) => {}
            (Err(error), _) => app.message = error.to_string(),
        }
    }
}

/// The path of a file next to the database: its path with another extension appended.
fn sibling_path(database: &Path, extension: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".");
    path.push(extension);
    path.into()
}

/// Leaves the screen to ask for the secrets. Returns a message for the user.
fn sign_in(terminal: &mut DefaultTerminal, sync: &mut SyncController) -> Result<String> {
    ratatui::restore();
    let outcome = sync.sign_in();
    *terminal = ratatui::try_init()?;
    Ok(outcome.err().map(|error| error.to_string()).unwrap_or_default())
}

/// Restores the terminal when a signal ends the process. This cannot be left to the main loop: waiting for a key does
/// not return once the terminal is gone.
fn restore_terminal_on_signals(runtime: &Handle) -> Result<()> {
    let (mut terminate, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    runtime.spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
        ratatui::restore();
        std::process::exit(SIGTERM_EXIT_CODE);
    });
    Ok(())
}
