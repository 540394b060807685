//! Looks into a user's log as the user's devices do: decrypts it here, and shows what it holds.
//!
//! ```text
//! cargo example inspect -- --server URL --api-key KEY --email ADDRESS              an overview
//! cargo example inspect -- --server URL --api-key KEY --email ADDRESS rows tasks   what is in a table
//! ```
//!
//! Asks for the password and the passphrase without showing them, or takes them from `TIDELOG_PASSWORD` and
//! `TIDELOG_PASSPHRASE`; never from the command line. Keys stay in memory: nothing is left on this machine. It pushes nothing, and
//! never makes a key.
//!
//! Only a device may pull. So, for as long as it reads the log, the user has one more device, called "inspect", which is removed
//! at the end: also after an error, Ctrl-C, SIGTERM and SIGHUP. Removing it ends the inspector's session and no other one. `status`
//! and `devices` read no log; they need neither a device nor the passphrase.
//!
//! The log is read from its beginning, page by page. What stays in memory: for `tables`, the name of each row; for `rows` and
//! `history`, the values that are shown; for `verify`, about 150 bytes a row.
//!
//! `--json` prints one JSON object. Its fields have the same names in all commands, and the overview has those of `status`,
//! `devices`, `tables`, `quarantined` and `verify` together. Warnings go to standard error.
//!
//! The exit code is 0; 2 where `verify` or the overview found something that speaks against the server; 130 after a signal; 1 after
//! any other failure.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "an app is not the server")]

mod answer;
mod columns;
mod command;
mod devices;
mod entry;
mod failure;
mod history;
mod interruption;
mod log;
mod overview;
mod quarantined;
mod rows;
mod secrets;
mod status;
mod tables;
mod text;
mod verify;
mod visit;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;

use answer::Answer;
use columns::Style;
use command::Command;
use failure::{Failure, Result};
use secrets::Secrets;
use visit::Account;

/// The exit code where something speaks against the server.
const EVIDENCE: u8 = 2;

/// What clap does not say by itself.
const NOTES: &str = "\
The password and the passphrase are asked for, or taken from TIDELOG_PASSWORD and TIDELOG_PASSPHRASE.

While the log is read, the user has a device named \"inspect\". It is removed at the end, also after an error or \
Ctrl-C, which ends the inspector's session. Nothing else is changed, here or on the server. `status` and `devices` \
need no such device, and no passphrase.

Exit code: 0; 2 if `verify` or the overview found evidence against the server; 130 after a signal; 1 after \
any other failure.";

/// Decrypts a user's log on this machine and shows what is in it.
#[derive(Parser)]
#[command(name = "inspect", after_help = NOTES)]
struct Arguments {
    #[command(flatten)]
    account: Account,
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Cut nothing off, however long the lines become
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
            // Not clap's 2, which has another meaning here.
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match run(&arguments).await {
        Ok(answer) if answer.evidence => EVIDENCE.into(),
        Ok(_) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure.to_string());
            failure.exit_code()
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Answer> {
    let command = arguments.command.clone().unwrap_or(Command::Overview);
    let style = Style::of_stdout(arguments.full);
    let secrets = Secrets::get(command.reads_the_log())?;
    let answer = visit::visit(&arguments.account, secrets, &command, style).await?;
    for warning in &answer.warnings {
        complain(warning);
    }
    let printed = if arguments.json { answer.json_text() } else { answer.text.clone() };
    match io::stdout().lock().write_all(printed.as_bytes()) {
        // Whoever read us has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(answer),
        written => written.map(|()| answer).map_err(Failure::Output),
    }
}

/// Says something on standard error, which has no part in the answer. Where nobody listens, the exit code has to do.
fn complain(sentence: &str) {
    let mut stderr = io::stderr();
    let name = if stderr.is_terminal() { "\x1b[1minspect:\x1b[0m" } else { "inspect:" };
    let _ = writeln!(stderr, "{name} {}", text::harmless(sentence));
}
