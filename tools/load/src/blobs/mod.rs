//! Blobs: how fast a large file goes up and comes down, and what that takes of the server's memory.
//!
//! Each round makes a new file and times it five ways, one after the other: the bare copy that everything is compared
//! with, by plain HTTP up and down, and by the SDK up and down. The bare copy does what a server or a client cannot
//! do without: it reads a file that was just written, hashes it, writes it to another one, and syncs that.

mod bare;
mod content;
mod plain;
mod sdk;

use std::path::Path;
use std::time::Instant;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::account::Account;
use crate::process::{forget_peak, megabytes, memory};
use crate::server::{Binary, Server};
use crate::{Result, seed};
use content::Content;

const ROUNDS: usize = 3;
/// Bytes of the file.
const SIZE: u64 = 500_000_000;
/// The same, where it is only to show that it works. More than one part of anything.
const SMALL_SIZE: u64 = 3_000_000;
/// Bytes that are handled at once here.
const PIECE: usize = 1024 * 1024;

/// Seconds of every way.
#[derive(Default)]
struct Times {
    bare: f64,
    up: f64,
    down: f64,
    sdk_up: f64,
    sdk_down: f64,
}

/// Its name, and its time.
type Way = (&'static str, fn(&Times) -> f64);

/// Measures with a server of its own, that keeps blobs on disk.
pub(crate) fn measure(binary: &Binary, small: bool) -> Result<Value> {
    let size = if small { SMALL_SIZE } else { SIZE };
    let folder = TempDir::new()?;
    let data = folder.path().join("data");
    seed::prepare(&seed::Plan { binary, data: &data, changes: 0, users: 0, pull_log: 0 })?;
    let server = Server::start(binary, &data)?;
    let account = Account::open(&server, &seed::pusher(0, 0))?;
    let app = sdk::App::open(&server, folder.path())?;
    let before = server.rss()?;
    forget_peak(&server.pid())?;
    let own_before = memory("self", "VmRSS")?;
    forget_peak("self")?;
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        rounds.push(round(&account, &app, folder.path(), size)?);
    }
    let growth = memory(&server.pid(), "VmHWM")?.saturating_sub(before);
    let own_growth = memory("self", "VmHWM")?.saturating_sub(own_before);
    let mut figures = Map::new();
    let median = |figure: &dyn Fn(&Times) -> f64| {
        let mut all: Vec<_> = rounds.iter().map(figure).collect();
        all.sort_unstable_by(f64::total_cmp);
        all[ROUNDS / 2]
    };
    let ways: [Way; 5] = [
        ("bare", |times| times.bare),
        ("up", |times| times.up),
        ("down", |times| times.down),
        ("sdk_up", |times| times.sdk_up),
        ("sdk_down", |times| times.sdk_down),
    ];
    for (name, seconds) in ways {
        figures
            .insert(format!("{name}_mb_per_s"), json!(median(&|times| size as f64 / 1e6 / seconds(times))));
        if name != "bare" {
            figures.insert(format!("{name}_ratio"), json!(median(&|times| times.bare / seconds(times))));
        }
    }
    figures.insert("server_growth_mb".into(), json!(megabytes(growth)));
    figures.insert("client_growth_mb".into(), json!(megabytes(own_growth)));
    Ok(figures.into())
}

fn round(account: &Account, app: &sdk::App, folder: &Path, size: u64) -> Result<Times> {
    let (file, copy) = (folder.join("file"), folder.join("copy"));
    let mut times = Times::default();
    let content = Content::write(&file, size)?;
    times.bare = seconds(|| bare::copy(&file, &copy))?;
    times.up = seconds(|| plain::upload(account, &file, &content))?;
    times.down = seconds(|| plain::download(account, &copy, &content))?;
    // Another one: the SDK names it otherwise, but nothing is to be taken for what is there already.
    let other = Content::write(&file, size)?;
    let mut hash = String::new();
    times.sdk_up = seconds(|| {
        hash = app.put(&file)?;
        Ok(())
    })?;
    times.sdk_down = seconds(|| app.get(&hash, &copy))?;
    other.compare(&copy)?;
    Ok(times)
}

fn seconds(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed().as_secs_f64())
}
