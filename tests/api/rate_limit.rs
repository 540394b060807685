//! Guessing passwords is slowed down.

use serde_json::json;

use crate::support::{Answer, ServerSetup, User, credentials};

/// A server that takes two sign-ins at once and then one in many minutes.
fn strict() -> ServerSetup {
    ServerSetup::default().with("TIDELOG_AUTH_BURST", "2").with("TIDELOG_AUTH_PER_SECOND", "0.001")
}

fn assert_says_when_to_come_back(answer: &Answer) {
    answer.refused(429, "rate_limited");
    let number =
        |name: &str| answer.header(name).parse::<u64>().unwrap_or_else(|_| panic!("{name} is no number"));
    assert!(number("retry-after") >= 1);
    assert_eq!(number("x-ratelimit-limit"), 2);
    assert_eq!(number("x-ratelimit-remaining"), 0);
}

#[test]
fn too_many_sign_ins_are_told_when_to_come_back() {
    let server = strict().start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let mut request = credentials(&user, &app);
    request["password"] = json!("wrong");
    let answers: Vec<_> = (0..6).map(|_| server.nobody().post("/api/sync/auth", &request)).collect();
    answers[0].refused(401, "invalid_credentials");
    assert_says_when_to_come_back(&answers[5]);
    assert_says_when_to_come_back(&server.nobody().post("/api/v1/sync/auth", &request));
}

#[test]
fn a_limited_address_is_limited_alike_whether_it_exists_or_not() {
    let server = strict().start();
    let app = server.new_app("Notes");
    server.new_user("ada@example.org");
    let exhausted = |email: &str| {
        let user = User { email: email.into(), id: String::new() };
        let mut request = credentials(&user, &app);
        request["password"] = json!("wrong");
        let answers: Vec<_> =
            (0..4).map(|_| server.nobody().post("/api/sync/auth", &request).status).collect();
        answers.last().copied()
    };
    assert_eq!(exhausted("ada@example.org"), Some(429));
    assert_eq!(exhausted("nobody@example.org"), Some(429));
}

#[test]
fn the_limit_on_sign_ins_does_not_slow_those_who_are_signed_in() {
    let server = strict().start();
    let me = server.somebody();
    for _ in 0..50 {
        me.get("/api/sync/status").ok();
    }
}
