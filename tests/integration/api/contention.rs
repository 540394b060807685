//! Many concurrent requests while an operator revokes access: no request fails because of locks, and revocation is
//! immediate.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use tidelog_test_kit::{Caller, Server, change, fresh_id};

/// Number of pushers, and of pullers.
const PUSHERS: usize = 64;
/// Requests of each caller that keeps its access.
const REQUESTS: usize = 20;
/// Requests answered before the operator revokes access.
const WARM_UP: usize = 300;
/// Requests after which the test fails if a revoked caller still has access.
const MAX_REQUESTS: usize = 20_000;

/// Callers of one account, and whether the operator has revoked its access.
struct Group {
    me: Caller,
    device: String,
    revoked: bool,
    out: AtomicBool,
    pushed: AtomicUsize,
}

impl Group {
    fn new(me: Caller, revoked: bool) -> Self {
        let device = me.device("Laptop");
        Self { me, device, revoked, out: AtomicBool::new(false), pushed: AtomicUsize::new(0) }
    }

    /// Sends requests; callers whose access is revoked stop when they are refused.
    fn keep_requesting(&self, answered: &AtomicUsize, request: impl Fn(&Self, usize) -> u16) {
        let end = if self.revoked { MAX_REQUESTS } else { REQUESTS };
        for number in 0..end {
            let was_out = self.out.load(Ordering::SeqCst);
            let status = request(self, number);
            answered.fetch_add(1, Ordering::SeqCst);
            match status {
                401 if self.revoked => return,
                200 => assert!(!was_out, "a request that began after the revocation was answered"),
                other => panic!("answered {other}"),
            }
        }
        assert!(!self.revoked, "never refused");
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
        let response = self.me.post("/api/sync/pull", &request);
        if response.status == 200 {
            let page = response.json();
            let seqs: Vec<_> = page["changes"]
                .as_array()
                .expect("changes")
                .iter()
                .map(|entry| entry["seq"].as_i64())
                .collect();
            assert!(seqs.is_sorted_by(|one, next| one < next), "a page out of order: {seqs:?}");
        }
        response.status
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
                "all pushers ended before the server was warm"
            );
            thread::yield_now();
        }
        server.cli().run(&["user", "disable", &bob.email]).json();
        groups[1].out.store(true, Ordering::SeqCst);
        server.cli().run(&["app", "rotate-key", &rotated.name]).json();
        groups[2].out.store(true, Ordering::SeqCst);
    });
    for group in groups.iter().filter(|group| !group.revoked) {
        assert_eq!(group.me.total_changes() as usize, group.pushed.load(Ordering::SeqCst));
        assert_eq!(group.me.pull_everything(&group.device).len(), group.pushed.load(Ordering::SeqCst));
    }
    let log = server.log();
    assert!(!log.contains("locked") && !log.contains("panicked"), "{log}");
    server.cli().run(&["check"]).json();
}
