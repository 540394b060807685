//! The command line: one file per noun, each of which turns flags into a command and says how its answer looks.

mod app;
mod ask;
mod audit;
mod config;
mod dev;
mod device;
mod health;
mod invite;
mod issuer;
mod key;
mod output;
mod rotation;
mod secret;
mod serve;
mod session;
mod sweep;
mod token;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};

use self::output::Output;
use crate::config::{ConfigError, Layers, Origin, Settings, Shown, load};
use crate::server::commands::Command;

/// Exit code of a command line that makes no sense, as clap gives it.
const MISUSE: u8 = 2;

/// What a command that fails says.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// End-to-end encrypted sync for any app: one binary, one SQLite file.
#[derive(Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// Flags of every command.
#[derive(Args, Clone)]
struct Common {
    /// The data folder [default: ./data]
    #[arg(long, global = true, value_name = "DIR", value_parser = NonEmptyStringValueParser::new())]
    data: Option<String>,
    /// A settings file; see config/default.toml for what it may hold
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON value instead of text
    #[arg(long, global = true)]
    json: bool,
}

impl Common {
    fn settings(
        &self,
        mut flags: Vec<(&'static str, String)>,
    ) -> Result<(Settings, Vec<Shown>), ConfigError> {
        flags.extend(self.data.clone().map(|data| ("data", data)));
        load(&Layers::of_process(self.config.clone(), flags)?)
    }

    fn output(&self) -> Output {
        Output { json: self.json }
    }
}

#[derive(Subcommand)]
enum Verb {
    /// Serve with a throw-away data folder, an app and a user, and print commands to paste
    Dev(serve::Flags),
    /// Serve
    Serve(serve::Flags),
    /// The programs that sync
    #[command(subcommand)]
    App(app::Verb),
    /// The accounts that sign in
    #[command(subcommand)]
    User(user::Verb),
    /// The links by which people make accounts
    #[command(subcommand)]
    Invite(invite::Verb),
    /// The installations among which changes travel
    #[command(subcommand)]
    Device(device::Verb),
    /// The sign-ins that are in force
    #[command(subcommand)]
    Session(session::Verb),
    /// The replacements of users' master keys
    #[command(subcommand)]
    Rotation(rotation::Verb),
    /// The key that signs tokens
    #[command(subcommand)]
    Key(key::Verb),
    /// Tell who signed in, who was turned away and what was done to accounts and apps, the newest first
    Audit(audit::Flags),
    /// The systems whose users an app lets in
    #[command(subcommand)]
    Issuer(issuer::Verb),
    /// The access tokens of programs that administer, or publish releases
    #[command(subcommand)]
    Token(token::Verb),
    /// Show every setting with where it came from
    Config,
    /// Check that the database is whole
    Check,
    /// Delete what no blob needs any more, and tell which blobs have lost their bytes; fails if there are any
    Sweep(sweep::Flags),
    /// Ask the running server whether it is ready; fails if it is not
    Healthcheck(health::Flags),
    /// Print the OpenAPI document of the HTTP interface
    Openapi,
}

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = cli.common.output();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(failure.as_ref());
            if is_misuse(failure.as_ref()) { MISUSE.into() } else { ExitCode::FAILURE }
        }
    }
}

/// A flag whose value no setting takes is the caller's slip, like a flag that does not exist.
fn is_misuse(failure: &(dyn std::error::Error + 'static)) -> bool {
    let of_flag = |error: &ConfigError| matches!(error, ConfigError::Invalid { origin: Origin::Flag(_), .. });
    failure.downcast_ref().is_some_and(of_flag)
}

async fn run(Cli { common, verb }: Cli) -> Result<(), Failure> {
    let command = match verb {
        Verb::Dev(flags) => return dev::run(&common, flags).await,
        Verb::Serve(flags) => return serve::run(&common, flags).await,
        Verb::Config => return config::run(&common),
        Verb::Check => return check(&common).await,
        Verb::Sweep(flags) => return sweep::run(&common, flags).await,
        Verb::Healthcheck(flags) => return health::run(&common, flags).await,
        Verb::Openapi => return common.output().raw(crate::http::openapi::DOCUMENT),
        Verb::App(verb) => verb.command()?,
        Verb::User(verb) => verb.command()?,
        Verb::Invite(verb) => verb.command(),
        Verb::Device(verb) => verb.command(),
        Verb::Session(verb) => verb.command(),
        Verb::Rotation(verb) => verb.command(),
        Verb::Key(verb) => verb.command(),
        Verb::Audit(flags) => flags.command(),
        Verb::Issuer(verb) => verb.command()?,
        Verb::Token(verb) => verb.command(),
    };
    let answer = ask::ask(&common, command).await?;
    common.output().answer(&answer)
}

async fn check(common: &Common) -> Result<(), Failure> {
    let answer = ask::ask(common, Command::Check).await?;
    common.output().answer(&answer)?;
    if answer["ok"] == true { Ok(()) } else { Err("the database is damaged".into()) }
}
