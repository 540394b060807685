//! Many at once, while an operator takes access away: nobody is told of locks, and whoever is out is out at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use tidelog_test_kit::{Caller, Server, change, fresh_id};

/// Pushers, and as many pullers.
const PUSHERS: usize = 64;
/// Requests of each of those who keep their access.
const REQUESTS: usize = 20;
/// Requests that are answered before the operator steps in.
const WARM_UP: usize = 300;
/// Requests after which somebody who should be out is taken to have been forgotten.
const PATIENCE: usize = 20_000;

/// Some callers of one account, and whether the operator has taken its access away.
struct Group {
    me: Caller,
    device: String,
    doomed: bool,
    out: AtomicBool,
    pushed: AtomicUsize,
}

impl Group {
    fn new(me: Caller, doomed: bool) -> Self {
        let device = me.device("Laptop");
        Self { me, device, doomed, out: AtomicBool::new(false), pushed: AtomicUsize::new(0) }
    }

    /// Keeps requesting; those who are doomed until they are refused.
    fn keep_requesting(&self, answered: &AtomicUsize, request: impl Fn(&Self, usize) -> u16) {
        let end = if self.doomed { PATIENCE } else { REQUESTS };
        for number in 0..end {
            let was_out = self.out.load(Ordering::SeqCst);
            let status = request(self, number);
            answered.fetch_add(1, Ordering::SeqCst);
            match status {
                401 if self.doomed => return,
                200 => assert!(!was_out, "a request that began after the revocation was answered"),
                other => panic!("answered {other}"),
            }
        }
        assert!(!self.doomed, "never refused");
    }

    fn push(&self) -> u16 {
        let rows = vec![change("one"), change("two")];
        let batch = json!({"device_id": self.device, "batch_id": fresh_id(), "changes": rows});
        let status = self.me.post("/api/sync/push", &batch).status;
        if status == 200 {
            self.pushed.fetch_add(2, Ordering::SeqCst);
        }
        status
    }

    fn pull(&self, number: usize) -> u16 {
        let request = json!({"device_id": self.device, "cursor": number, "limit": 50, "include_own": true});
        let answer = self.me.post("/api/sync/pull", &request);
        if answer.status == 200 {
            let page = answer.json();
            let seqs: Vec<_> = page["changes"]
                .as_array()
                .expect("changes")
                .iter()
                .map(|entry| entry["seq"].as_i64())
                .collect();
            assert!(seqs.is_sorted_by(|one, next| one < next), "a page out of order: {seqs:?}");
        }
        answer.status
    }
}

#[test]
fn sixty_four_pushers_and_pullers_never_wait_for_a_lock_and_revocation_takes_effect_at_once() {
    let server = Server::start();
    let (steady, rotated) = (server.new_app("Steady"), server.new_app("Rotated"));
    let (ada, bob) = (server.new_user("ada@example.org"), server.new_user("bob@example.org"));
    let groups = [
        Group::new(server.sign_in(&ada, &steady), false),
        Group::new(server.sign_in(&bob, &steady), true),
        Group::new(server.sign_in(&ada, &rotated), true),
        Group::new(server.sign_in(&server.new_user("eve@example.org"), &steady), false),
    ];
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for worker in 0..PUSHERS {
            let (group, answered) = (&groups[worker % groups.len()], &answered);
            workers.push(scope.spawn(move || group.keep_requesting(answered, |group, _| group.push())));
            workers.push(scope.spawn(move || group.keep_requesting(answered, Group::pull)));
        }
        while answered.load(Ordering::SeqCst) < WARM_UP {
            assert!(
                workers.iter().any(|worker| !worker.is_finished()),
                "nobody is left to warm the server up"
            );
            thread::yield_now();
        }
        server.cli().run(&["user", "disable", &bob.email]).json();
        groups[1].out.store(true, Ordering::SeqCst);
        server.cli().run(&["app", "rotate-key", &rotated.name]).json();
        groups[2].out.store(true, Ordering::SeqCst);
    });
    for group in groups.iter().filter(|group| !group.doomed) {
        assert_eq!(group.me.total_changes() as usize, group.pushed.load(Ordering::SeqCst));
        assert_eq!(group.me.pull_everything(&group.device).len(), group.pushed.load(Ordering::SeqCst));
    }
    let log = server.log();
    assert!(!log.contains("locked") && !log.contains("panicked"), "{log}");
    server.cli().run(&["check"]).json();
}
