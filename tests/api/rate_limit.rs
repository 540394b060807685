//! Guessing passwords is slowed down.

use serde_json::json;

use crate::support::{Answer, Caller, Server, ServerSetup};

/// Sign-ins at once, and on average in a second.
const BURST: u64 = 2;
/// Far more attempts than the limit lets through in the time that they take.
const ATTEMPTS: usize = 50;

fn strict() -> Server {
    ServerSetup::default().with("TIDELOG_AUTH_BURST", "2").with("TIDELOG_AUTH_PER_SECOND", "1").start()
}

/// Asks until there is a refusal for asking too often. Refreshing counts like signing in, and costs no hash.
fn ask_until_limited(nobody: &Caller) -> (Vec<Answer>, Answer) {
    let mut answered = Vec::new();
    for _ in 0..ATTEMPTS {
        let answer = nobody.post("/api/sync/auth/refresh", &json!({"refresh_token": "guess"}));
        if answer.status == 429 {
            return (answered, answer);
        }
        answered.push(answer);
    }
    panic!("{ATTEMPTS} attempts in a row, and none was limited");
}

fn number(answer: &Answer, header: &str) -> u64 {
    answer.header(header).parse().unwrap_or_else(|_| panic!("{header} is no number"))
}

#[test]
fn who_asks_too_often_is_told_when_to_come_back() {
    let server = strict();
    let (answered, limited) = ask_until_limited(&server.nobody());
    assert!(answered.len() >= BURST as usize, "only {} attempts were let through", answered.len());
    for answer in &answered {
        answer.refused(401, "unauthenticated");
        assert_eq!(number(answer, "x-ratelimit-limit"), BURST);
        assert!(number(answer, "x-ratelimit-remaining") < BURST);
    }
    limited.refused(429, "rate_limited");
    assert!(number(&limited, "retry-after") >= 1);
    assert_eq!(number(&limited, "x-ratelimit-limit"), BURST);
    assert_eq!(number(&limited, "x-ratelimit-remaining"), 0);
}

#[test]
fn the_limit_does_not_touch_those_who_are_signed_in() {
    let server = strict();
    let me = server.somebody();
    ask_until_limited(&server.nobody());
    for _ in 0..ATTEMPTS {
        me.get("/api/sync/status").ok();
    }
}
