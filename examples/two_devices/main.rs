//! Two devices of one user, a table of real data, and a server that is killed again and again.
//!
//! ```text
//! pip install airportsdata
//! cargo example two_devices
//! ```
//!
//! Device A puts thousands of rows into its SQLite file and syncs them, end-to-end encrypted, to device B. Then both edit and
//! delete, partly the same rows. The server dies by `kill -9` in the middle of it all. In the end both files are compared row by
//! row and column by column, and the server's disk is searched for anything readable. Whatever is wrong makes the program fail.
//!
//! `device.rs` and `app_file.rs` are what an app would copy.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "an app is not the server")]
#![allow(unreachable_pub, reason = "these files are to be copied into apps")]

mod app_file;
mod dataset;
mod device;
mod progress;
mod secrecy;
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
use secrecy::{Search, read_all};
use server::Server;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const DEVICES: [&str; 2] = ["laptop-of-mia", "phone-of-mia"];
const EMAIL: &str = "mia@example.com";

/// Deaths of the server in each push.
const CRASHES: usize = 3;
/// Time between an acknowledged batch and the kill, at most: about as long as it takes to seal and send the next one.
const LONGEST_DELAY: Duration = Duration::from_millis(50);

/// Fewer rows would be a toy.
const FEWEST_ROWS: usize = 5_000;

#[derive(Parser)]
struct Arguments {
    /// Rows to take from the data set.
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    rows: usize,
    /// The table, if it is not where pip puts it.
    #[arg(long, value_name = "FILE")]
    data_set: Option<PathBuf>,
    /// The server's binary, if not the one of this source.
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let airports = dataset::load(arguments.data_set.as_deref(), arguments.rows)?;
    if airports.len() < FEWEST_ROWS {
        return Err(format!("{} rows are too few, take {FEWEST_ROWS} or more", airports.len()).into());
    }
    let home = tempfile::tempdir()?;
    let mut server = Server::start(arguments.server).await?;
    let account = open_account(&server)?;
    println!("server at {}", server.url());

    println!("\nA fills its file and pushes it; the server is killed on the way");
    let mut a = Device::first(DEVICES[0], home.path(), &account).await?;
    a.edit(airports.iter().cloned().map(Edit::Insert).collect())?;
    push_through_crashes(&mut a, &mut server, airports.len()).await?;

    println!("\nB joins with the passphrase and pulls");
    let mut b = Device::join(DEVICES[1], home.path(), &account).await?;
    pull(&mut b).await?;
    let mut expected: BTreeMap<_, _> = airports.iter().map(|row| (row.icao.clone(), row.clone())).collect();
    compare(&a, &b, &expected)?;

    println!("\nBoth change and delete, partly the same rows; the server goes on dying");
    let edits = Edits::of(&airports);
    a.edit(edits.of_a.clone())?;
    b.edit(edits.of_b.clone())?;
    edits.carry_out(&mut expected);
    push_through_crashes(&mut a, &mut server, edits.of_a.len()).await?;
    push_through_crashes(&mut b, &mut server, edits.of_b.len()).await?;
    // A has not pulled before. A first pull brings a device its own past as well, as after a reinstallation; that is harmless.
    pull(&mut a).await?;
    pull(&mut b).await?;
    compare(&a, &b, &expected)?;

    let made = airports.len() + edits.of_a.len() + edits.of_b.len();
    let stored = a.count_on_server().await?;
    println!("{made} changes were made, {stored} are in the log: none lost, none twice");
    if made as u64 != stored {
        return Err("the log does not hold every change exactly once".into());
    }
    server.kill()?;
    search_the_servers_disk(&server, &airports, a.file.path())?;
    println!("\nBoth files are the same, and the server knows nothing of what is in them.");
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

/// Pushes what a device has, and kills and restarts the server a few times on the way.
async fn push_through_crashes(device: &mut Device, server: &mut Server, edits: usize) -> Result<()> {
    let mut progress = Progress::of("pushed");
    let (telling, mut told) = watch::channel(0);
    let pushing = device.push(|done| {
        progress.at(done);
        telling.send_replace(done);
    });
    let crashing = async {
        for crash in 1..=CRASHES {
            let due = edits * crash / (CRASHES + 1);
            let done = *told.wait_for(|done| *done >= due).await?;
            sleep(LONGEST_DELAY.mul_f64(f64::from(getrandom::u32()?) / f64::from(u32::MAX))).await;
            server.kill()?;
            println!("  kill -9 after {done} of {edits}");
            server.start_again().await?;
        }
        Ok(())
    };
    let (pushed, crashed): (_, Result<()>) = tokio::join!(pushing, crashing);
    let pushed = pushed?;
    crashed?;
    progress.end();
    if pushed == edits { Ok(()) } else { Err(format!("{pushed} of {edits} edits were pushed").into()) }
}

async fn pull(device: &mut Device) -> Result<()> {
    let mut progress = Progress::of("pulled");
    device.pull(|done| progress.at(done)).await?;
    progress.end();
    Ok(())
}

/// What the two devices do to the first rows. They share every sixth one.
struct Edits {
    of_a: Vec<Edit>,
    of_b: Vec<Edit>,
}

impl Edits {
    fn of(airports: &[Airport]) -> Self {
        let mut edits = Self { of_a: Vec::new(), of_b: Vec::new() };
        for (place, airport) in airports.iter().enumerate() {
            let renamed = |by: &str| {
                Edit::Update(Airport { name: format!("{} ({by})", airport.name), ..airport.clone() })
            };
            match place % 12 {
                0 => edits.of_a.push(renamed("seen by A")),
                1 => edits.of_b.push(renamed("seen by B")),
                2 => edits.of_a.push(Edit::Delete(airport.icao.clone())),
                3 => edits.of_b.push(Edit::Delete(airport.icao.clone())),
                // Both: B comes later, so B wins.
                4 => {
                    edits.of_a.push(renamed("seen by A"));
                    edits.of_b.push(renamed("seen by B"));
                }
                5 => {
                    edits.of_a.push(Edit::Delete(airport.icao.clone()));
                    edits.of_b.push(Edit::Update(airport.clone()));
                }
                _ => {}
            }
        }
        edits
    }

    /// What must come of it: A's edits, then B's.
    fn carry_out(&self, rows: &mut BTreeMap<String, Airport>) {
        for edit in self.of_a.iter().chain(&self.of_b) {
            match edit {
                Edit::Insert(row) | Edit::Update(row) => drop(rows.insert(row.icao.clone(), row.clone())),
                Edit::Delete(icao) => drop(rows.remove(icao)),
            }
        }
    }
}

/// Compares the files of both devices, row by row and column by column, with each other and with what they should hold.
fn compare(a: &Device, b: &Device, expected: &BTreeMap<String, Airport>) -> Result<()> {
    let (of_a, of_b) = (a.file.rows()?, b.file.rows()?);
    if let Some((left, right)) = of_a.iter().zip(&of_b).find(|(left, right)| left != right) {
        return Err(format!("the files differ:\n  A {left:?}\n  B {right:?}").into());
    }
    if of_a.len() != of_b.len() {
        return Err(format!("A has {} rows, B has {}", of_a.len(), of_b.len()).into());
    }
    if !of_a.iter().eq(&expected.values().map(columns).collect::<Vec<_>>()) {
        return Err("the files are the same, but not what they should be".into());
    }
    println!("  compared {} rows, all columns: the same", of_a.len());
    Ok(())
}

/// Fails if a text of the data set can be found in the server's files.
fn search_the_servers_disk(server: &Server, airports: &[Airport], file_of_a: &Path) -> Result<()> {
    println!("\nThe server's disk, as a thief would find it");
    let disk = read_all(&server.files()?)?;
    let search = Search::new(airports.iter().flat_map(Airport::texts));

    // The search must be able to find: in A's file the texts are as they are, in its base64 as a careless client sends them.
    let in_file = read_all(&[file_of_a.to_owned()])?;
    let in_base64 = data_encoding::BASE64.encode(&in_file);
    let (plain, encoded) = (search.count_in(&in_file), search.count_in(in_base64.as_bytes()));
    println!("  of {} texts, A's file has {plain}, its base64 {encoded}", search.texts());
    // And it must look in the right place: device names are no secret, so they are there.
    let named = Search::new(DEVICES.into_iter().chain([EMAIL])).count_in(&disk);
    if plain < search.texts() / 2 || encoded < search.texts() / 2 || named < DEVICES.len() + 1 {
        return Err("the search does not find what is there, so it proves nothing".into());
    }
    let found = search.count_in(&disk);
    println!("  the {} bytes of the server have {found}", disk.len());
    if found > 0 { Err("the server's files hold readable content".into()) } else { Ok(()) }
}
