//! A fresh server with users, for one scene.

use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::Value;
use tempfile::TempDir;

use super::HEARTBEAT;
use super::events::Events;
use crate::account::Account;
use crate::content::{DATA_BYTES, PushBody};
use crate::server::{Binary, Server};
use crate::wire::{self, Wire};
use crate::{Result, seed};

/// Streams of one user, unless it is about one user: as many as the server allows by default.
const STREAMS_PER_USER: usize = 100;
/// Streams that the server allows here.
const MOST_STREAMS: &str = "20000";

/// A server and its data.
pub(super) struct Stage {
    pub(super) server: Server,
    _data: TempDir,
}

impl Stage {
    pub(super) fn new(binary: &Binary) -> Result<Self> {
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit)?;
        let data = TempDir::new()?;
        seed::prepare(&seed::Plan { binary, data: data.path(), changes: 0, users: 0, pull_log: 0 })?;
        let heartbeat = HEARTBEAT.to_string();
        let settings = [
            ("TIDELOG_NOTIFICATIONS_MAX_STREAMS_PER_USER", MOST_STREAMS),
            ("TIDELOG_NOTIFICATIONS_HEARTBEAT_SECONDS", &heartbeat),
        ];
        let server = Server::start_with(binary, data.path(), &settings)?;
        Ok(Self { server, _data: data })
    }

    /// A session of the user of this number.
    pub(super) fn account(&self, user: usize) -> Result<Account> {
        Account::open(&self.server, &seed::pusher(user, 0))
    }

    /// Accounts for this many streams, a hundred for each, of other users than the first.
    pub(super) fn others(&self, streams: usize) -> Result<Vec<Account>> {
        (1..=streams.div_ceil(STREAMS_PER_USER)).map(|user| self.account(user)).collect()
    }
}

/// Opens this many streams of these accounts in turn, each of which has shown that it lives.
pub(super) async fn open_streams(accounts: &[Account], streams: usize) -> Result<Vec<Events>> {
    let mut open = Vec::with_capacity(streams);
    for account in accounts.iter().cycle().take(streams) {
        let mut events = Events::open(&account.address, &account.subscribe(None)).await?;
        events.alive().await?;
        open.push(events);
    }
    Ok(open)
}

/// Somebody who pushes one change at a time.
pub(super) struct Pusher {
    wire: Wire,
    body: PushBody,
}

impl Pusher {
    pub(super) fn new(account: &Account) -> Result<Self> {
        let body = PushBody::new(account.device, 1, DATA_BYTES)?;
        let head = account.head("/api/sync/push", body.text().len());
        Ok(Self { wire: Wire::new(wire::connect(&account.address)?)?, body: body.behind(&head) })
    }

    /// Pushes, and gives the cursor.
    pub(super) async fn push(&mut self) -> Result<String> {
        let answer: Value = serde_json::from_slice(self.wire.ask(self.body.next_batch()).await?)?;
        Ok(answer["cursor"].as_str().ok_or("no cursor")?.to_owned())
    }
}

/// A runtime for one thread.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
