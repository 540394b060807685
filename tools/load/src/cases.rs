//! The cases, and how one is measured: rounds of the baseline and the server, in turn.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::account::Account;
use crate::bare::{self, Bare};
use crate::clients::{self, Load};
use crate::library::{self, Library};
use crate::report::Round;
use crate::server::Server;
use crate::work::{Pages, Work};
use crate::{Arguments, Result, process, seed};

/// Clients in the largest case.
pub(crate) const MOST_CLIENTS: usize = 128;
/// Logs that are pulled.
pub(crate) const PULLED_LOGS: usize = 8;
/// Changes in a page.
pub(crate) const PAGE: usize = 500;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Push,
    Pull,
}

/// Something to measure.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// What it is called: kind, changes in a request, clients.
    pub(crate) name: &'static str,
    kind: Kind,
    changes: usize,
    clients: usize,
}

impl Case {
    /// Every case.
    pub(crate) const ALL: [Self; 8] = [
        Self { name: "push_1x1", kind: Kind::Push, changes: 1, clients: 1 },
        Self { name: "push_1x8", kind: Kind::Push, changes: 1, clients: 8 },
        Self { name: "push_1x32", kind: Kind::Push, changes: 1, clients: 32 },
        Self { name: "push_1x128", kind: Kind::Push, changes: 1, clients: MOST_CLIENTS },
        Self { name: "push_500x1", kind: Kind::Push, changes: 500, clients: 1 },
        Self { name: "push_500x8", kind: Kind::Push, changes: 500, clients: 8 },
        Self { name: "pull_500x1", kind: Kind::Pull, changes: PAGE, clients: 1 },
        Self { name: "pull_500x8", kind: Kind::Pull, changes: PAGE, clients: PULLED_LOGS },
    ];

    /// The case of this name.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(|case| case.name).join(", ");
        Self::ALL
            .into_iter()
            .find(|case| case.name == name)
            .ok_or_else(|| format!("the cases are {}", names()))
    }

    /// Whether it needs logs to pull.
    pub(crate) fn pulls(&self) -> bool {
        self.kind == Kind::Pull
    }
}

/// Where the baseline finds logs to pull.
enum Pulled {
    /// In the server's own database, which this program has filled.
    Server(PathBuf),
    /// In one with the same logs: that of the server may have another schema.
    Own(TempDir),
}

impl Pulled {
    fn path(&self) -> &Path {
        match self {
            Self::Server(path) => path,
            Self::Own(folder) => folder.path(),
        }
    }
}

/// All that cases are measured with.
pub(crate) struct Stage<'a> {
    server: &'a Server,
    /// The database that the baseline writes.
    bare: TempDir,
    /// The database that the baseline reads.
    pulled: Pulled,
    /// Rows of the logs in it.
    logs: Vec<i64>,
    /// Users who have a past; 0: there is none.
    past_users: usize,
    threads: usize,
    seconds: f64,
    /// Those who have signed in so far.
    pushers: Vec<Account>,
    pullers: Vec<Account>,
}

impl<'a> Stage<'a> {
    /// With a running server, and a database for the baseline on the same disk.
    pub(crate) fn new(
        server: &'a Server,
        data: &Path,
        logs: Vec<i64>,
        arguments: &Arguments,
    ) -> Result<Self> {
        let bare = TempDir::with_prefix_in("bare-", data)?;
        library::wait_for(async { Library::open(bare.path()).await?.close().await })?;
        let (pulled, logs) = if logs.is_empty() && arguments.cases.iter().any(Case::pulls) {
            let folder = TempDir::with_prefix_in("bare-pull-", data)?;
            let logs = seed::logs_to_pull(folder.path(), arguments.pull_log)?;
            (Pulled::Own(folder), logs)
        } else {
            (Pulled::Server(data.to_owned()), logs)
        };
        Ok(Self {
            server,
            bare,
            pulled,
            logs,
            past_users: if arguments.seed_log > 0 { arguments.users } else { 0 },
            threads: arguments.threads,
            seconds: arguments.seconds,
            pushers: Vec::new(),
            pullers: Vec::new(),
        })
    }

    /// Measures a case this many times.
    pub(crate) fn run(&mut self, case: &Case, rounds: u32) -> Result<Vec<Round>> {
        self.sign_in(case)?;
        (1..=rounds)
            .map(|number| {
                let round = if number % 2 == 1 {
                    let bare = self.baseline(case)?;
                    Round::new(case.changes, self.seconds, &self.load(case)?, &bare)
                } else {
                    let load = self.load(case)?;
                    Round::new(case.changes, self.seconds, &load, &self.baseline(case)?)
                }?;
                eprintln!("{} round {number}: {:.0}/s, ratio {:.2}", case.name, round.per_s, round.ratio);
                Ok(round)
            })
            .collect()
    }

    fn sign_in(&mut self, case: &Case) -> Result<()> {
        let accounts = match case.kind {
            Kind::Push => &mut self.pushers,
            Kind::Pull => &mut self.pullers,
        };
        for client in accounts.len()..case.clients {
            let email = match case.kind {
                Kind::Push => seed::pusher(client, self.past_users),
                Kind::Pull => seed::pulled(client),
            };
            accounts.push(Account::open(self.server, &email)?);
        }
        let rss = process::megabytes(self.server.rss()?);
        eprintln!("{}: everybody is signed in, the server takes {rss:.1} MB", case.name);
        Ok(())
    }

    fn baseline(&self, case: &Case) -> Result<Bare> {
        match case.kind {
            Kind::Push => bare::push(self.bare.path(), case.clients, case.changes, self.seconds),
            Kind::Pull => bare::pull(self.pulled.path(), &self.logs, self.seconds),
        }
    }

    fn load(&self, case: &Case) -> Result<Load> {
        let work: Result<Vec<_>> = match case.kind {
            Kind::Push => {
                self.pushers[..case.clients].iter().map(|account| Work::push(account, case.changes)).collect()
            }
            Kind::Pull => self.pullers[..case.clients]
                .iter()
                .map(|account| Ok(Work::Pull(Pages::of(account))))
                .collect(),
        };
        clients::drive(self.server, work?, self.threads, self.seconds)
    }
}
