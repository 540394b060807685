//! `tidelog serve`.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::args::GlobalArgs;
use super::output::BoxError;
use crate::clock::Clock;
use crate::server::commands::{CommandContext, setup_link};
use crate::server::{self, Signals};

#[derive(Args)]
pub(super) struct ServeArgs {
    /// IP:PORT to listen on (port 0 picks a free one), or unix:/path/to.sock
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// URL at which clients reach this server
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Write the server's URL to this file once it is ready
    #[arg(long, value_name = "FILE")]
    address_file: Option<PathBuf>,
}

impl ServeArgs {
    /// The flags that are settings.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let listen = self.listen.clone().map(|listen| ("listen", listen));
        let public_url = self.public_url.clone().map(|url| ("public_url", url));
        listen.into_iter().chain(public_url).collect()
    }

    /// Writes the address file, atomically: programs wait for it to appear.
    pub(super) fn write_address_file(&self, url: &str) -> Result<(), BoxError> {
        let Some(path) = &self.address_file else { return Ok(()) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(url.as_bytes())?;
        file.persist(path)?;
        Ok(())
    }
}

/// Runs the server until SIGTERM or SIGINT.
pub(super) async fn run(global: &GlobalArgs, args: ServeArgs) -> Result<(), BoxError> {
    let (settings, _) = global.settings(args.settings())?;
    log_to_stderr(&settings.log)?;
    let signals = Signals::install()?;
    let data = settings.data.clone();
    let running = server::start(settings, Clock::system()).await?;
    // In this order: a program that has seen the address file may go on to read the set-up link.
    offer_setup(&data, running.command_context()).await?;
    args.write_address_file(running.url())?;
    running.run_until(signals).await;
    Ok(())
}

/// Holds the link to set up the first administrator.
const SETUP_LINK_FILE: &str = "setup-link";

/// While there is no administrator, creates a link to set one up. It goes to a file that only its owner can read, and
/// to the terminal; not to the log, which more people can read.
async fn offer_setup(data: &Path, context: &CommandContext) -> Result<(), BoxError> {
    let path = data.join(SETUP_LINK_FILE);
    let Some(link) = setup_link(context).await? else {
        let _ = std::fs::remove_file(path);
        return Ok(());
    };
    let mut file = tempfile::NamedTempFile::new_in(data)?;
    writeln!(file, "{link}")?;
    file.persist(&path)?;
    tracing::info!(file = %path.display(), "no administrator yet: open the link in this file within an hour");
    if std::io::stdout().is_terminal() {
        println!("No administrator yet. Create your account within an hour:\n\n  {link}\n");
    }
    Ok(())
}

/// Starts logging to stderr, as stdout is for answers.
pub(super) fn log_to_stderr(filter: &str) -> Result<(), BoxError> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("invalid value for log: {error}"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // It would report to stderr that stderr cannot be written, and panic.
        .log_internal_errors(false)
        .init();
    Ok(())
}
