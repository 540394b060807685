//! A to-do app for the terminal whose lists are the same on all of a user's devices, live.
//!
//! ```text
//! cargo example todo                                on this device only
//! cargo example todo -- --server URL --api-key KEY --email ADDRESS --database laptop.db
//! ```
//!
//! It is an app on SQLite like any other: `schema.sql`, `database.rs`, and a screen. What makes it sync is `sync.rs`, in a dozen
//! lines, on the account that `account.rs` signs in to. It works without a network: what is changed meanwhile is sent later.
//!
//! The first start asks for the password and the passphrase without showing them, or takes them from `TIDELOG_PASSWORD` and
//! `TIDELOG_PASSPHRASE`. Later ones find the session and the key in a file beside the database.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "an app is not the server")]

mod account;
mod app;
mod ask;
mod database;
mod due;
mod key_file;
mod keys;
mod link;
mod screen;
mod selection;
mod sync;
mod typing;

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
use keys::After;
use link::{Link, Mood};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// How often the app looks whether another device has changed something, which takes it a few microseconds.
const LOOK: Duration = Duration::from_millis(50);

/// The exit code after a signal: that of SIGTERM, as shells give it.
const TERMINATED: i32 = 143;

/// To-do lists that are the same on all of your devices.
#[derive(Parser)]
#[command(name = "todo")]
struct Arguments {
    #[command(flatten)]
    account: Option<Options>,
    /// The file with the lists
    #[arg(long, value_name = "FILE", default_value = "todo.db")]
    database: PathBuf,
    /// This device's name; by default the file's
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
    // Before the replica attaches, as any migration of the app's own tables.
    let mut app = App::new(Database::open(database)?);
    let link = |options| Link::start(runtime.handle(), options, device, database);
    let mut link = arguments.account.as_ref().map(link).transpose()?;
    heed_signals(runtime.handle())?;
    // Restores the terminal also when something panics.
    let mut terminal = ratatui::try_init()?;
    let outcome = live(&mut terminal, &mut app, &mut link, device);
    ratatui::restore();
    outcome
}

/// Shows the app until the user leaves it.
fn live(terminal: &mut DefaultTerminal, app: &mut App, link: &mut Option<Link>, device: &str) -> Result<()> {
    let mut was_written = true;
    loop {
        was_written |= app.look()?;
        if let Some(link) = link.as_mut().filter(|_| std::mem::take(&mut was_written)) {
            app.problems = link.refresh()?;
        }
        let alone = || Ok((Mood::Away, "on this device only".to_owned()));
        let status = link.as_mut().map_or_else(alone, Link::look)?;
        terminal.draw(|frame| screen::draw(frame, app, device, &status))?;
        if !event::poll(LOOK)? {
            continue;
        }
        let Event::Key(key) = event::read()? else { continue };
        if !key.is_press() {
            continue;
        }
        was_written = true;
        match (keys::press(app, key), &mut *link) {
            (Ok(After::Quit), _) => return Ok(()),
            (Ok(After::Sync), Some(link)) if link.wants_the_user() => {
                app.message = sign_in(terminal, link)?;
            }
            (Ok(After::Sync), Some(link)) => link.hurry(),
            (Ok(After::Forget), Some(link)) => link.dismiss_problems()?,
            (Ok(After::GoOn | After::Sync | After::Forget), _) => {}
            (Err(error), _) => app.message = error.to_string(),
        }
    }
}

/// The path of a file that belongs to the database.
fn beside(database: &Path, extension: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".");
    path.push(extension);
    path.into()
}

/// Gives the terminal back for as long as it takes to ask. Gives what to tell the user.
fn sign_in(terminal: &mut DefaultTerminal, link: &mut Link) -> Result<String> {
    ratatui::restore();
    let outcome = link.sign_in();
    *terminal = ratatui::try_init()?;
    Ok(outcome.err().map(|error| error.to_string()).unwrap_or_default())
}

/// Leaves the terminal in order also when somebody wants the process to end. Not by way of the loop: waiting for a key does not
/// come back from a terminal that is gone.
fn heed_signals(runtime: &Handle) -> Result<()> {
    let (mut terminate, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    runtime.spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
        ratatui::restore();
        std::process::exit(TERMINATED);
    });
    Ok(())
}
