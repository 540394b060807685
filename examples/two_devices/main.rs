//! Two devices of one user sync a table of real data through a server that is killed again and again. Takes well
//! under a minute.
//!
//! ```text
//! pip install airportsdata
//! cargo example two_devices
//! ```
//!
//! Device A puts thousands of rows into its SQLite file and syncs them, end-to-end encrypted, to device B. Then both
//! edit and delete rows, some of them the same. Meanwhile, the server is killed with `kill -9` several times. At the
//! end, both files are compared row by row and column by column, and the server's disk is searched for readable
//! content. The program fails if anything is wrong.
//!
//! `device.rs` and `app_file.rs` are written so that an app can copy them.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "an app is not the server")]
#![allow(unreachable_pub, reason = "apps can copy these files")]

mod app_file;
mod dataset;
mod device;
mod progress;
mod search;
mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use tokio::sync::watch;
use tokio::time::sleep;

use app_file::{Edit, columns};
use dataset::Airport;
use device::{Account, Device};
use progress::Progress;
use search::{Search, read_all};
use server::Server;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const DEVICES: [&str; 2] = ["laptop-of-mia", "phone-of-mia"];
const EMAIL: &str = "mia@example.com";

/// How often the server is killed during each push.
const CRASHES: usize = 3;
/// The maximum time from an acknowledged batch to the kill: about as long as it takes to encrypt and send the next
/// batch.
const MAX_KILL_DELAY: Duration = Duration::from_millis(50);

/// The minimum number of rows, so that the test is realistic.
const MIN_ROWS: usize = 5_000;

#[derive(Parser)]
struct Arguments {
    /// The number of rows to take from the data set
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    rows: usize,
    /// The data set, if it is not where pip puts it
    #[arg(long, value_name = "FILE")]
    data_set: Option<PathBuf>,
    /// The server's binary, if not the one built from this source
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let airports = dataset::load(arguments.data_set.as_deref(), arguments.rows)?;
    if airports.len() < MIN_ROWS {
        return Err(format!("{} rows are not enough: take {MIN_ROWS} or more", airports.len()).into());
    }
    let home = tempfile::tempdir()?;
    let mut server = Server::start(arguments.server).await?;
    let account = open_account(&server)?;
    println!("server at {}", server.url());

    println!("\nA fills its file and pushes it, while the server is killed several times");
    let mut a = Device::first(DEVICES[0], home.path(), &account).await?;
    a.edit(airports.iter().cloned().map(Edit::Insert).collect())?;
    push_through_crashes(&mut a, &mut server, airports.len()).await?;

    println!("\nB joins with the passphrase and pulls");
    let mut b = Device::join(DEVICES[1], home.path(), &account).await?;
    pull(&mut b).await?;
    let mut expected: BTreeMap<_, _> = airports.iter().map(|row| (row.icao.clone(), row.clone())).collect();
    compare(&a, &b, &expected)?;

    println!("\nBoth edit and delete rows, some of them the same; the server is killed again");
    let edits = Edits::new(&airports);
    a.edit(edits.a.clone())?;
    b.edit(edits.b.clone())?;
    edits.apply_to(&mut expected);
    push_through_crashes(&mut a, &mut server, edits.a.len()).await?;
    push_through_crashes(&mut b, &mut server, edits.b.len()).await?;
    // A has not pulled before, so this pull also returns its own changes, as after a reinstallation. That is harmless.
    pull(&mut a).await?;
    pull(&mut b).await?;
    compare(&a, &b, &expected)?;

    let expected_changes = airports.len() + edits.a.len() + edits.b.len();
    let stored = a.count_on_server().await?;
    println!("{expected_changes} changes were made, {stored} are in the log: none lost, none duplicated");
    if expected_changes as u64 != stored {
        return Err("the log does not hold every change exactly once".into());
    }
    server.kill()?;
    search_server_files(&server, &airports, a.file.path())?;
    println!("\nBoth files are identical, and the server has nothing readable.");
    Ok(())
}

fn open_account(server: &Server) -> Result<Account> {
    let password = uuid::Uuid::new_v4().to_string();
    server.create_user(EMAIL, &password)?;
    Ok(Account {
        url: server.url(),
        api_key: server.create_app("Airports")?,
        email: EMAIL.to_owned(),
        password,
        passphrase: "seven wet geese over the harbour".to_owned(),
    })
}

/// Pushes all edits of a device, and kills and restarts the server a few times meanwhile.
async fn push_through_crashes(device: &mut Device, server: &mut Server, edits: usize) -> Result<()> {
    let mut progress = Progress::new("pushed");
    let (done_sender, mut done_receiver) = watch::channel(0);
    let pushing = device.push(|done| {
        progress.update(done);
        done_sender.send_replace(done);
    });
    let crashing = async {
        for crash in 1..=CRASHES {
            let threshold = edits * crash / (CRASHES + 1);
            let done = *done_receiver.wait_for(|done| *done >= threshold).await?;
            sleep(MAX_KILL_DELAY.mul_f64(f64::from(getrandom::u32()?) / f64::from(u32::MAX))).await;
            server.kill()?;
            println!("  kill -9 after {done} of {edits}");
            server.restart().await?;
        }
        Ok(())
    };
    let (pushed, crashed): (_, Result<()>) = tokio::join!(pushing, crashing);
    let pushed = pushed?;
    crashed?;
    progress.finish();
    if pushed == edits { Ok(()) } else { Err(format!("{pushed} of {edits} edits were pushed").into()) }
}

async fn pull(device: &mut Device) -> Result<()> {
    let mut progress = Progress::new("pulled");
    device.pull(|done| progress.update(done)).await?;
    progress.finish();
    Ok(())
}

/// The edits of both devices. Of every twelve rows, both edit two.
struct Edits {
    a: Vec<Edit>,
    b: Vec<Edit>,
}

impl Edits {
    fn new(airports: &[Airport]) -> Self {
        let mut edits = Self { a: Vec::new(), b: Vec::new() };
        for (index, airport) in airports.iter().enumerate() {
            let renamed = |suffix: &str| {
                Edit::Update(Airport { name: format!("{} ({suffix})", airport.name), ..airport.clone() })
            };
            match index % 12 {
                0 => edits.a.push(renamed("edited by A")),
                1 => edits.b.push(renamed("edited by B")),
                2 => edits.a.push(Edit::Delete(airport.icao.clone())),
                3 => edits.b.push(Edit::Delete(airport.icao.clone())),
                // Both edit the row: B does so later, so B wins.
                4 => {
                    edits.a.push(renamed("edited by A"));
                    edits.b.push(renamed("edited by B"));
                }
                5 => {
                    edits.a.push(Edit::Delete(airport.icao.clone()));
                    edits.b.push(Edit::Update(airport.clone()));
                }
                _ => {}
            }
        }
        edits
    }

    /// Applies the edits in the order in which they count: first those of A, then those of B.
    fn apply_to(&self, rows: &mut BTreeMap<String, Airport>) {
        for edit in self.a.iter().chain(&self.b) {
            match edit {
                Edit::Insert(row) | Edit::Update(row) => drop(rows.insert(row.icao.clone(), row.clone())),
                Edit::Delete(icao) => drop(rows.remove(icao)),
            }
        }
    }
}

/// Compares the files of both devices, row by row and column by column, with each other and with the expected rows.
fn compare(a: &Device, b: &Device, expected: &BTreeMap<String, Airport>) -> Result<()> {
    let (a_rows, b_rows) = (a.file.rows()?, b.file.rows()?);
    if let Some((left, right)) = a_rows.iter().zip(&b_rows).find(|(left, right)| left != right) {
        return Err(format!("the files differ:\n  A {left:?}\n  B {right:?}").into());
    }
    if a_rows.len() != b_rows.len() {
        return Err(format!("A has {} rows, B has {}", a_rows.len(), b_rows.len()).into());
    }
    if !a_rows.iter().eq(&expected.values().map(columns).collect::<Vec<_>>()) {
        return Err("the files are identical, but not as expected".into());
    }
    println!("  compared {} rows, all columns: identical", a_rows.len());
    Ok(())
}

/// Fails if the server's files contain any text of the data set.
fn search_server_files(server: &Server, airports: &[Airport], a_file: &Path) -> Result<()> {
    println!("\nSearching the server's files for readable content");
    let disk = read_all(&server.files()?)?;
    let search = Search::new(airports.iter().flat_map(Airport::texts));

    // The search must find the texts where they are: in A's file, and in its base64, as an app without encryption
    // would send it.
    let in_file = read_all(&[a_file.to_owned()])?;
    let in_base64 = data_encoding::BASE64.encode(&in_file);
    let (plain, encoded) = (search.count_in(&in_file), search.count_in(in_base64.as_bytes()));
    println!("  of {} texts, {plain} are in A's file and {encoded} in its base64", search.texts());
    // And it must search the right files: device names are not encrypted, so the server has them.
    let names = Search::new(DEVICES.into_iter().chain([EMAIL])).count_in(&disk);
    if plain < search.texts() / 2 || encoded < search.texts() / 2 || names < DEVICES.len() + 1 {
        return Err("the search does not find texts that are there, so it proves nothing".into());
    }
    let found = search.count_in(&disk);
    println!("  {found} of them are in the server's {} bytes", disk.len());
    if found > 0 { Err("the server's files contain readable content".into()) } else { Ok(()) }
}
