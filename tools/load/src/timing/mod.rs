//! Whether the time of an answer tells who has an account.
//!
//! At each door by which strangers name accounts, requests about accounts that there are and about such as there are
//! not take turns at random, on one connection. Welch's t-test holds the two piles of times against each other; below
//! 4.5 there is nothing to see, as tests for leaks by time are read.
//!
//! A machine that does other things now and then takes long, whoever is asked about, and such times hide a small
//! difference. So there are three verdicts: of all times, of those below the 95th percentile of both piles together,
//! and of the lower half. Cropping each pile by itself would crop the difference away.

mod doors;
mod sink;
mod welch;

use std::path::Path;
use std::time::Instant;

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::library::{self, Library};
use crate::server::{Binary, Server};
use crate::wire::{self, Wire};
use crate::{Result, content};
use doors::Door;
use sink::MailSink;
use welch::{Welch, cropped};

/// Requests about each of the two, of `--timing`.
const REQUESTS: usize = 2_000;
/// The same with `--small`.
const SMALL_REQUESTS: usize = 20;
/// Of so many requests one comes before those that are timed.
const WARM_UP_SHARE: usize = 20;
/// How much of the times is looked at, from the shortest on, in percent.
const KEPT_PERCENT: [usize; 3] = [100, 95, 50];
/// From here on, times tell.
const TELLS: f64 = 4.5;
const MICROS_PER_SECOND: f64 = 1e6;

/// An account that there is, or is not; addresses of both are of one length.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Asked {
    known: bool,
    number: usize,
}

impl Asked {
    fn email(self) -> String {
        format!("{}-{:05}@example.com", if self.known { "some" } else { "none" }, self.number)
    }
}

/// Measures every door of a server of its own.
pub(crate) fn measure(binary: &Binary, small: bool) -> Result<Map<String, Value>> {
    let requests = if small { SMALL_REQUESTS } else { REQUESTS };
    let data = TempDir::new()?;
    library::wait_for(make_accounts(data.path(), warm_up(requests) + requests))?;
    let mail = MailSink::start()?;
    let settings =
        [("TIDELOG_MAIL_SMTP_URL", mail.address()), ("TIDELOG_MAIL_FROM", "load@example.com".into())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let server = Server::start_with(binary, data.path(), &settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut told = Map::new();
    for door in Door::ALL {
        let (known, unknown) = runtime.block_on(times(door, server.address(), requests))?;
        let verdicts = KEPT_PERCENT.map(|percent| {
            let (known, unknown) = cropped(&known, &unknown, percent);
            (percent, Welch::of(&known, &unknown))
        });
        // Where one pile is all in what is cropped, there is no t, and that is a difference, too.
        let is_alike = verdicts.iter().all(|(_, welch)| welch.t.abs() < TELLS);
        let verdict = if is_alike { "times do not tell" } else { "TIMES TELL who has an account" };
        eprintln!("{}: {verdict} ({requests} each, |t| < {TELLS} wanted)", door.name());
        let mut figures = Map::new();
        for (percent, welch) in &verdicts {
            eprintln!("  {percent:>3} %: {welch}");
            figures.insert(format!("t_of_{percent}_percent"), json!(welch.t));
        }
        told.insert(door.name().into(), figures.into());
    }
    eprintln!("{} mails were sent", mail.taken());
    Ok(told)
}

async fn make_accounts(data: &Path, count: usize) -> Result<()> {
    let library = Library::open(data).await?;
    for number in 0..count {
        library.create_user(&Asked { known: true, number }.email()).await?;
    }
    library.close().await
}

/// Times in µs of requests about accounts that there are, and about such as there are not.
async fn times(door: Door, address: &str, requests: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut wire = Wire::new(wire::connect(address)?)?;
    let page = door.open(&mut wire, address).await?;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for (place, asked) in order(requests)?.into_iter().enumerate() {
        let request = door.request(address, &page, &asked.email(), &content::data(24)?);
        sleep(door.pause()).await;
        let began = Instant::now();
        let status = wire.exchange(&request).await?.status;
        let micros = began.elapsed().as_secs_f64() * MICROS_PER_SECOND;
        if status != door.status() {
            return Err(format!("{} answered {status}", door.name()).into());
        }
        if place >= 2 * warm_up(requests) {
            if asked.known { known.push(micros) } else { unknown.push(micros) }
        }
    }
    Ok((known, unknown))
}

/// Both kinds for the warm-up, then as many of each as are wanted, shuffled.
fn order(requests: usize) -> Result<Vec<Asked>> {
    let kinds = |range: std::ops::Range<usize>| {
        range.flat_map(|number| [true, false].map(|known| Asked { known, number })).collect::<Vec<_>>()
    };
    let warm_up = warm_up(requests);
    let mut timed = kinds(warm_up..warm_up + requests);
    for last in (1..timed.len()).rev() {
        let mut random = [0; 8];
        getrandom::fill(&mut random)?;
        timed.swap(last, (u64::from_le_bytes(random) % (last as u64 + 1)) as usize);
    }
    Ok([kinds(0..warm_up), timed].concat())
}

/// Requests about each of the two before those that are timed.
fn warm_up(requests: usize) -> usize {
    requests / WARM_UP_SHARE
}
