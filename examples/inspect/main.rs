//! Shows what a user's log contains, decrypted on this machine. Takes a second or two, longer for a long log.
//!
//! ```text
//! cargo example inspect -- --server URL --api-key KEY --email EMAIL              an overview
//! cargo example inspect -- --server URL --api-key KEY --email EMAIL rows tasks   the rows of a table
//! ```
//!
//! Asks for the password and the passphrase without showing them, or takes them from `TIDELOG_PASSWORD` and
//! `TIDELOG_PASSPHRASE`, but never from the command line. Keys stay in memory, and nothing is stored on this machine.
//! It pushes nothing and never creates a key.
//!
//! Only devices may pull. So the user has one more device while the log is read, named "inspect". It is removed at
//! the end, even after an error, Ctrl-C, SIGTERM or SIGHUP. Removing it ends the inspector's session, and no other
//! one. `status` and `devices` do not read the log, and need neither a device nor the passphrase.
//!
//! The log is read from its start, page by page. Kept in memory: for `tables`, the id of each row; for `rows` and
//! `history`, the values that are shown; for `verify`, about 150 bytes per row.
//!
//! `--json` prints one JSON object. Its fields have the same names in all commands, and the overview has those of
//! `status`, `devices`, `tables`, `quarantined` and `verify` together. Warnings go to standard error.
//!
//! The exit code is 0; 2 if `verify` or the overview found evidence against the server; 130 after a signal; 1 after
//! any other failure.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "an app is not the server")]

mod columns;
mod command;
mod devices;
mod entry;
mod error;
mod history;
mod log;
mod output;
mod overview;
mod quarantined;
mod rows;
mod secrets;
mod session;
mod signals;
mod status;
mod tables;
mod text;
mod verify;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;

use columns::Style;
use command::Command;
use error::{InspectError, Result};
use output::Output;
use secrets::Secrets;
use session::Account;

/// The exit code if there is evidence against the server.
const EVIDENCE_EXIT_CODE: u8 = 2;

/// Shown at the end of the help.
const HELP_NOTES: &str = "\
The password and the passphrase are asked for, or taken from TIDELOG_PASSWORD and TIDELOG_PASSPHRASE.

While the log is read, the user has a device named \"inspect\". It is removed at the end, even after an error or \
Ctrl-C, which ends the inspector's session. Nothing else is changed, here or on the server. `status` and `devices` \
need neither this device nor the passphrase.

Exit code: 0; 2 if `verify` or the overview found evidence against the server; 130 after a signal; 1 after \
any other failure.";

/// Decrypts a user's log on this machine and shows what it contains.
#[derive(Parser)]
#[command(name = "inspect", after_help = HELP_NOTES)]
struct Arguments {
    #[command(flatten)]
    account: Account,
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Do not truncate long lines
    #[arg(long, global = true)]
    full: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            // Not clap's exit code 2, which means evidence here.
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match run(&arguments).await {
        Ok(output) if output.evidence => EVIDENCE_EXIT_CODE.into(),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error.to_string());
            error.exit_code()
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Output> {
    let command = arguments.command.clone().unwrap_or(Command::Overview);
    let style = Style::of_stdout(arguments.full);
    let secrets = Secrets::get(command.needs_log())?;
    let output = session::run(&arguments.account, secrets, &command, style).await?;
    for warning in &output.warnings {
        print_error(warning);
    }
    let printed = if arguments.json { output.json_text() } else { output.text.clone() };
    match io::stdout().lock().write_all(printed.as_bytes()) {
        // The reader of the pipe has closed it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(output),
        written => written.map(|()| output).map_err(InspectError::Output),
    }
}

/// Prints a message to standard error. If that fails, the exit code has to suffice.
fn print_error(message: &str) {
    let mut stderr = io::stderr();
    let name = if stderr.is_terminal() { "\x1b[1minspect:\x1b[0m" } else { "inspect:" };
    let _ = writeln!(stderr, "{name} {}", text::escape_control(message));
}
