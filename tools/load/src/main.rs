//! A load generator whose own cost is small, and the bare SQLite loops that every figure is compared with.
//!
//! ```text
//! cargo run --release -p tidelog-load                                    # the eight cases, three rounds each
//! cargo run --release -p tidelog-load -- --cases push_1x32,pull_500x8 --json
//! cargo run --release -p tidelog-load -- --seed-log 10000000 --users 10000 --data /var/tmp/big
//! cargo run --release -p tidelog-load -- --size --body                   # bytes on disk, memory of one large push
//! cargo run --release -p tidelog-load -- --blobs                          # a large file up and down; `blobs/` explains it
//! cargo run --release -p tidelog-load -- --live fan_out --subscribers 100
//! cargo run --release -p tidelog-load -- --live all                      # notifications and live tables; `live/` explains each
//! cargo run --release -p tidelog-load -- --timing                         # does the time of an answer tell who has an account?
//! ```
//!
//! `--server PATH --seed-by-push` measures a binary of another version: its databases are filled by itself, and the
//! baseline of pulls reads the same logs from a database of its own.
//!
//! `push_500x8` is 8 clients, each a user of its own (with `--seed-log`, one of those whose past it is), that push
//! 500 changes per request, the next one right after the answer; `pull_500x8` is 8 clients that pull long logs in
//! pages of 500. A change is an insert with a UUID for its row and 225 random bytes in base64. The server is the real
//! binary in a process of its own, with its default durability. Everything but the table or the JSON goes to standard
//! error.
//!
//! Each round measures the baseline and the server one after the other, and the order alternates, so what else the
//! machine does hits both. The table has the medians of the rounds; compare ratios, not rates:
//!
//! - *requests/s*, *changes/s*: of the server.
//! - *bare/s*: changes/s of the same rows without HTTP. For pushes, as many threads as there are clients hand rows to
//!   one that groups them into transactions (`bare/push.rs`); for pulls, one thread reads and serialises the same
//!   pages (`bare/pull.rs`).
//! - *ratio*: changes/s ÷ bare/s, the median of the ratios of the rounds.
//! - *p50*, *p99*: from the first byte of a request sent to the last byte of its answer read, in milliseconds.
//! - *CPU*, *bare CPU*: user and system time in µs per change, of the server's process and of the baseline; *×*:
//!   their ratio.
//! - *load CPU*: of this generator, in µs per request. It runs on the same cores as the server.
//! - *RSS*: the server's largest while the case ran, in MB of a million bytes. What signing the clients in has left
//!   behind is in it; how much that is, is told on standard error.
//!
//! The data lies in the system's temporary folder, unless `--data` or `TMPDIR` names another: it must be on a real
//! disk. With `--data` the folder stays, and another run on it finds the users and logs that are there.

mod account;
mod bare;
mod blobs;
mod body;
mod cases;
mod clients;
mod live;
mod operator;
mod process;
mod report;
mod seed;
mod server;
mod size;
mod timing;
mod wire;
mod work;

use std::path::{Path, PathBuf};

use clap::Parser;
use tempfile::TempDir;
use tidelog_load::{Result, content, library};

use cases::{Case, Stage};
use live::{Scale, Scene};
use report::Report;
use server::{Binary, Server};

/// Measures a Tidelog server beside bare SQLite.
#[derive(Parser)]
struct Arguments {
    /// Prints one JSON object instead of the table.
    #[arg(long)]
    json: bool,
    /// Changes to put into the database first, in the logs of other users.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed_log: usize,
    /// Users among whom they are spread.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    users: usize,
    /// Cases to run instead of all.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = Case::named)]
    cases: Vec<Case>,
    /// Length of each measurement in seconds.
    #[arg(long, value_name = "S", default_value_t = 3.0)]
    seconds: f64,
    /// Measurements of each case.
    #[arg(long, value_name = "R", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Threads of the generator.
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
    /// Changes in each of the logs that are pulled.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pull_log: usize,
    /// The server's binary, if not the one of this source.
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Fills databases through the binary's own command line and API, for one that is not of this source.
    #[arg(long)]
    seed_by_push: bool,
    /// Environment of the server instead of the settings that lift its rate limits, for a binary that calls them
    /// otherwise.
    #[arg(long, value_name = "NAME=VALUE,…", value_delimiter = ',')]
    server_env: Vec<String>,
    /// A data folder to use and to keep.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Measures the bytes that a change takes on disk; without --cases nothing else.
    #[arg(long)]
    size: bool,
    /// Measures the memory that a 16 MiB push takes; without --cases nothing else.
    #[arg(long)]
    body: bool,
    /// Measures these of notifications and live tables; without --cases nothing else.
    #[arg(long, value_name = "NAME,…|all", value_delimiter = ',', value_parser = Scene::named)]
    live: Vec<&'static [Scene]>,
    /// Measures a large blob up and down; without --cases nothing else.
    #[arg(long)]
    blobs: bool,
    /// Tests whether times tell who has an account; without --cases nothing else.
    #[arg(long)]
    timing: bool,
    /// Streams that hear of each push of fan_out.
    #[arg(long, value_name = "N")]
    subscribers: Option<usize>,
    /// Makes --live, --blobs and --timing a few hundred times smaller, to see that it works.
    #[arg(long)]
    small: bool,
    /// Only for this program's own use: the baseline of streams.
    #[arg(long, hide = true)]
    bare_streams: bool,
}

fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    if arguments.bare_streams {
        return bare::serve_streams();
    }
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: its figures mean nothing, use --release");
    }
    let is_special =
        arguments.size || arguments.body || arguments.blobs || arguments.timing || !arguments.live.is_empty();
    if arguments.cases.is_empty() && !is_special {
        arguments.cases = Case::ALL.to_vec();
    }
    let mut report = Report::default();
    if arguments.size {
        report.add("size", size::measure()?);
    }
    if arguments.body || !arguments.cases.is_empty() {
        let temporary = TempDir::new()?;
        let data = arguments.data.clone().unwrap_or_else(|| temporary.path().to_owned());
        measure_server(&arguments, &data, &mut report)?;
    }
    if arguments.blobs {
        let binary = binary(&arguments)?;
        report.add("blobs", blobs::measure(&binary, arguments.small)?);
    }
    if arguments.timing {
        let binary = binary(&arguments)?;
        for (door, figures) in timing::measure(&binary, arguments.small)? {
            report.add(&door, figures);
        }
    }
    if !arguments.live.is_empty() {
        let binary = binary(&arguments)?;
        let scale = Scale::new(arguments.small, arguments.subscribers);
        for scene in arguments.live.iter().copied().flatten() {
            report.add(scene.name, scene.measure(&binary, scale)?);
        }
    }
    report.print(arguments.json)
}

fn binary(arguments: &Arguments) -> Result<Binary> {
    let path = arguments.server.clone().map_or_else(server::build, Ok)?;
    Ok(Binary { path, seed_by_push: arguments.seed_by_push, environment: arguments.server_env.clone() })
}

fn measure_server(arguments: &Arguments, data: &Path, report: &mut Report) -> Result<()> {
    let binary = binary(arguments)?;
    let pulls = arguments.cases.iter().any(Case::pulls);
    let logs = seed::prepare(&seed::Plan {
        binary: &binary,
        data,
        changes: arguments.seed_log,
        users: arguments.users,
        pull_log: if pulls { arguments.pull_log } else { 0 },
    })?;
    let server = Server::start(&binary, data)?;
    let idle = server.rss()?;
    report.add("idle", serde_json::json!({ "rss_mb": process::megabytes(idle) }));
    if arguments.body {
        report.add("body", body::measure(&server, idle)?);
    }
    let mut stage = Stage::new(&server, data, logs, arguments)?;
    for case in &arguments.cases {
        report.add_case(case.name, &stage.run(case, arguments.rounds)?);
    }
    Ok(())
}
