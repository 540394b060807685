//! An installed program of which two processes run and share one saved session.

use std::sync::{Arc, Mutex};

use tidelog_client::{MemoryStore, SessionInfo, SyncKitClient, SyncKitConfig, SyncKitError};

use tidelog_test_kit::proxy::{ExchangeOutcome, Proxy};
use tidelog_test_kit::{ManualClockServer, SeededRng};

/// How long a process may go on from memory before it reads the saved session again.
const MEMORY_SECONDS: i64 = 60;

/// Sleeps between two races, in seconds: around the grace, and far beyond it.
const SLEEPS: [i64; 12] = [0, 1, 10, 20, 29, 30, 59, 60, 61, 3_600, 86_400, 30 * 86_400];

/// What both processes see.
#[derive(Default)]
struct Saved {
    session: Mutex<Option<SessionInfo>>,
}

/// How a process saves.
#[derive(Default)]
struct Hand {
    /// What it read or saved last, and the only session that it replaces.
    known: Option<SessionInfo>,
    /// It dies before it saves what it gets.
    dies: bool,
    /// It has to read again: it died, or somebody else has saved meanwhile.
    is_behind: bool,
}

/// One process.
struct Process {
    name: &'static str,
    proxy: Proxy,
    saved: Arc<Saved>,
    client: SyncKitClient,
    hand: Arc<Mutex<Hand>>,
    seconds_from_memory: i64,
}

impl Process {
    async fn start(name: &'static str, server: &ManualClockServer, saved: Arc<Saved>) -> Self {
        let proxy = Proxy::in_front_of(&server.url()).await;
        let hand = Arc::default();
        let client = client(&proxy, server, &saved, &hand);
        Self { name, proxy, saved, client, hand, seconds_from_memory: 0 }
    }

    /// Starts anew from the saved session.
    fn restart(&mut self, server: &ManualClockServer) {
        let session = self.saved.session.lock().expect("nobody panicked").clone();
        *self.hand.lock().expect("nobody panicked") = Hand { known: session.clone(), ..Hand::default() };
        self.seconds_from_memory = 0;
        self.client = client(&self.proxy, server, &self.saved, &self.hand);
        self.client.restore_session(session.expect("somebody signed in"));
    }

    /// A moment before it asks the server for something: its token has ended, and it knows.
    fn wake(&mut self, slept: i64, server: &ManualClockServer, rng: &mut SeededRng) {
        self.seconds_from_memory += slept;
        let is_behind = self.hand.lock().expect("nobody panicked").is_behind;
        if is_behind || self.seconds_from_memory > MEMORY_SECONDS || rng.below(8) == 0 {
            self.restart(server);
        }
        let mut session = self.client.session_info().expect("it is signed in");
        session.expires_at = Some(chrono::DateTime::UNIX_EPOCH);
        self.client.restore_session(session);
        self.hand.lock().expect("nobody panicked").dies = rng.below(8) == 0;
        self.proxy.set_outcomes(
            (0..rng.below(6))
                .map(|_| {
                    *rng.pick(&[
                        ExchangeOutcome::Pass,
                        ExchangeOutcome::LoseRequest,
                        ExchangeOutcome::LoseResponse,
                        ExchangeOutcome::LoseResponse,
                    ])
                })
                .collect::<Vec<_>>(),
        );
    }

    /// Asks for something; whether it was answered. Whatever the network does, nobody is signed out.
    async fn ask(&mut self) -> bool {
        match self.client.status().await {
            Ok(_) => {
                self.seconds_from_memory = 0;
                true
            }
            Err(SyncKitError::Network(_)) => false,
            Err(other) => panic!("{} was signed out: {other}", self.name),
        }
    }
}

fn client(
    proxy: &Proxy,
    server: &ManualClockServer,
    saved: &Arc<Saved>,
    hand: &Arc<Mutex<Hand>>,
) -> SyncKitClient {
    let (saved, hand) = (saved.clone(), hand.clone());
    let save = move |session: Option<&SessionInfo>| {
        let mut hand = hand.lock().expect("nobody panicked");
        let mut saved = saved.session.lock().expect("nobody panicked");
        if !hand.dies && *saved == hand.known {
            *saved = session.cloned();
            hand.known = session.cloned();
        } else {
            hand.is_behind = true;
        }
    };
    SyncKitClient::builder(SyncKitConfig { server_url: proxy.url().into(), api_key: server.api_key().into() })
        .key_store(MemoryStore::new())
        .first_retry_wait(std::time::Duration::ZERO)
        .on_session_change(save)
        .build()
}

/// Two processes and what they share.
pub(crate) struct Install<'a> {
    server: &'a ManualClockServer,
    saved: Arc<Saved>,
    processes: [Process; 2],
}

impl<'a> Install<'a> {
    /// Its user has just signed in.
    pub(crate) async fn new(server: &'a ManualClockServer) -> Self {
        let saved = Arc::<Saved>::default();
        let first = Process::start("the first process", server, saved.clone()).await;
        first.client.authenticate(server.email(), server.password()).await.expect("a sign-in");
        let second = Process::start("the second process", server, saved.clone()).await;
        let mut install = Self { server, saved, processes: [first, second] };
        install.processes.iter_mut().for_each(|process| process.restart(server));
        install
    }

    /// Sleeps, and lets both refresh at once; how many of them were answered.
    pub(crate) async fn race(&mut self, rng: &mut SeededRng) -> usize {
        let slept = *rng.pick(&SLEEPS);
        self.server.advance_seconds(slept);
        for process in &mut self.processes {
            process.wake(slept, self.server, rng);
        }
        let [first, second] = &mut self.processes;
        let (first, second) = tokio::join!(first.ask(), second.ask());
        usize::from(first) + usize::from(second)
    }

    /// Presents a token that no honest process would hold any more, and finds everybody signed out.
    pub(crate) async fn end_by_an_old_token(mut self) {
        let process = &mut self.processes[0];
        process.restart(self.server);
        let stolen = process.client.session_info();
        for _ in 0..2 {
            process.proxy.set_outcomes([]);
            let mut session = process.client.session_info().expect("it is signed in");
            session.expires_at = Some(chrono::DateTime::UNIX_EPOCH);
            process.client.restore_session(session);
            assert!(process.ask().await, "nothing got lost");
        }
        self.server.advance_seconds(MEMORY_SECONDS + 1);
        let newest = process.client.session_info().expect("it is signed in");
        let mut stolen = stolen.expect("it was signed in");
        stolen.expires_at = Some(chrono::DateTime::UNIX_EPOCH);
        process.client.restore_session(stolen);
        assert!(matches!(process.client.status().await, Err(SyncKitError::Unauthenticated)));
        process.client.restore_session(newest);
        assert!(matches!(process.client.status().await, Err(SyncKitError::Unauthenticated)));
        assert!(self.saved.session.lock().expect("nobody panicked").is_some());
    }
}
