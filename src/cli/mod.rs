//! The command line. What an operator can ask for is declared in `server::commands`; here are the commands that
//! belong to the program itself, how a command reaches a running server, and how its answer is printed.

mod args;
mod config;
mod dev;
mod execute;
mod healthcheck;
mod output;
mod password;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::args::GlobalArgs;
use self::output::BoxError;
use crate::config::{ConfigError, Origin};
use crate::server::commands::Command;

/// Exit code of a usage error, the same as clap's.
const USAGE_ERROR: u8 = 2;

/// End-to-end encrypted sync for any app
#[derive(Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Subcommand)]
enum CliCommand {
    /// Run a temporary server with a sample app and user
    Dev(serve::ServeArgs),
    /// Run the server
    Serve(serve::ServeArgs),
    #[command(flatten)]
    Operator(Command),
    /// Show all settings and where each comes from
    Config,
    /// Check whether the server is ready; fails if it isn't
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Print the OpenAPI description of the HTTP API
    Openapi,
}

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(&global, command)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            global.output().error(error.as_ref());
            if is_usage_error(error.as_ref()) { USAGE_ERROR.into() } else { ExitCode::FAILURE }
        }
    }
}

/// Whether a flag has a value that its setting doesn't take, which is as wrong as an unknown flag.
fn is_usage_error(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(ConfigError::Invalid { origin: Origin::Flag(_), .. }))
}

async fn run(global: &GlobalArgs, command: CliCommand) -> Result<(), BoxError> {
    match command {
        CliCommand::Dev(args) => dev::run(global, args).await,
        CliCommand::Serve(args) => serve::run(global, args).await,
        CliCommand::Operator(command) => execute::run(global, command).await,
        CliCommand::Config => config::run(global),
        CliCommand::Healthcheck(args) => healthcheck::run(global, args).await,
        CliCommand::Openapi => global.output().text(&crate::http::openapi::DOCUMENT),
    }
}
