//! `tidelog serve`.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::{Common, Failure};
use crate::clock::Clock;
use crate::server::commands::{Operator, setup_link};
use crate::server::{self, Signals};

#[derive(Args)]
pub(super) struct Flags {
    /// ADDRESS:PORT, with port 0 for any free one, or unix:/path/to.sock
    #[arg(long)]
    listen: Option<String>,
    /// The address under which clients know this server
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Write the server's address to this file once it is ready
    #[arg(long, value_name = "FILE")]
    address_file: Option<PathBuf>,
}

impl Flags {
    /// As settings.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let listen = self.listen.clone().map(|listen| ("listen", listen));
        let public_url = self.public_url.clone().map(|url| ("public_url", url));
        listen.into_iter().chain(public_url).collect()
    }

    /// Tells whoever waits where the server answers. The file appears whole or not at all.
    pub(super) fn announce(&self, url: &str) -> Result<(), Failure> {
        let Some(path) = &self.address_file else { return Ok(()) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(url.as_bytes())?;
        file.persist(path)?;
        Ok(())
    }
}

/// Serves until SIGTERM or SIGINT.
pub(super) async fn run(common: &Common, flags: Flags) -> Result<(), Failure> {
    let (settings, _) = common.settings(flags.settings())?;
    log_to_stderr(&settings.log)?;
    let signals = Signals::listen()?;
    let data = settings.data.clone();
    let running = server::start(settings, Clock::system()).await?;
    // Before anybody is told that the server is ready: who has read the one file may go on to read the other.
    offer_setup(&data, running.operator()).await?;
    flags.announce(running.url())?;
    running.run_until(signals).await;
    Ok(())
}

/// Where the link is kept by which the first administrator makes their account.
const SETUP_FILE: &str = "setup-link";

/// While there is no administrator, makes a link by which one makes their account: into a file that only the owner reads, as logs
/// are read by more, and onto the screen of whoever watches.
async fn offer_setup(data: &Path, operator: &Operator) -> Result<(), Failure> {
    let path = data.join(SETUP_FILE);
    let Some(link) = setup_link(operator).await? else {
        let _ = std::fs::remove_file(path);
        return Ok(());
    };
    let mut file = tempfile::NamedTempFile::new_in(data)?;
    writeln!(file, "{link}")?;
    file.persist(&path)?;
    tracing::info!(file = %path.display(), "there is no administrator yet: open the link in this file within an hour");
    if std::io::stdout().is_terminal() {
        println!("There is no administrator yet. Make your account here within an hour:\n\n  {link}\n");
    }
    Ok(())
}

/// Logs what the filter lets through, to stderr: stdout is for answers.
pub(super) fn log_to_stderr(filter: &str) -> Result<(), Failure> {
    let filter =
        EnvFilter::try_new(filter).map_err(|error| format!("the setting log is not valid: {error}"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // It would complain to stderr that stderr cannot be written, and panic.
        .log_internal_errors(false)
        .init();
    Ok(())
}
