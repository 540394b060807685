//! Rate limits on sign-ins slow down the guessing of passwords.

use serde_json::{Value, json};

use tidelog_test_kit::{ApiResponse, Caller, ManualClockServer, PASSWORD, Server, ServerSetup};

/// Burst of sign-ins, and average rate per second.
const BURST: u64 = 2;
/// Far more attempts than the limit allows in the time that they take.
const ATTEMPTS: usize = 50;

fn strictly_limited_server() -> Server {
    ServerSetup::default()
        .with("TIDELOG_AUTH_RATE_LIMIT_IP_BURST", "2")
        .with("TIDELOG_AUTH_RATE_LIMIT_IP_PER_SECOND", "1")
        .start()
}

/// Sends requests until one is rate-limited. A refresh counts like a sign-in, and needs no hash.
fn request_until_limited(anonymous: &Caller) -> (Vec<ApiResponse>, ApiResponse) {
    let mut answered = Vec::new();
    for _ in 0..ATTEMPTS {
        let response = anonymous.post("/api/sync/auth/refresh", &json!({"refresh_token": "guess"}));
        if response.status == 429 {
            return (answered, response);
        }
        answered.push(response);
    }
    panic!("{ATTEMPTS} attempts in a row, and none was limited");
}

fn number(response: &ApiResponse, header: &str) -> u64 {
    response.header(header).parse().unwrap_or_else(|_| panic!("{header} is no number"))
}

#[test]
fn who_asks_too_often_is_told_when_to_come_back() {
    let server = strictly_limited_server();
    let (answered, limited) = request_until_limited(&server.anonymous());
    assert!(answered.len() >= BURST as usize, "only {} attempts were let through", answered.len());
    for response in &answered {
        response.expect_error(401, "unauthenticated");
        assert_eq!(number(response, "x-ratelimit-limit"), BURST);
        assert!(number(response, "x-ratelimit-remaining") < BURST);
    }
    limited.expect_error(429, "rate_limited");
    assert!(number(&limited, "retry-after") >= 1);
    assert_eq!(number(&limited, "x-ratelimit-limit"), BURST);
    assert_eq!(number(&limited, "x-ratelimit-remaining"), 0);
}

#[test]
fn the_limit_does_not_touch_those_who_are_signed_in() {
    let server = strictly_limited_server();
    let me = server.signed_in_caller();
    request_until_limited(&server.anonymous());
    for _ in 0..ATTEMPTS {
        me.get("/api/sync/status").ok();
    }
}

/// Attempts at one account shared by all untrusted IPs.
const ACCOUNT_BURST: usize = 8;
/// Failures before backoff begins.
const FREE_FAILURES: usize = 3;

/// A server with a manual clock that trusts the test as its proxy.
struct RateLimitedServer {
    server: ManualClockServer,
    right: Value,
}

impl RateLimitedServer {
    fn start() -> Self {
        let server = ManualClockServer::start(&[
            ("trusted_proxies", "127.0.0.1"),
            ("auth.rate_limit.account_burst", "8"),
            ("auth.rate_limit.backoff_after_failures", "3"),
        ]);
        let right = server.credentials();
        Self { server, right }
    }

    /// Signs in from a client IP.
    fn sign_in(&self, address: &str, body: &Value) -> ApiResponse {
        self.server.anonymous().forwarded_for(address).post("/api/sync/auth", body)
    }

    fn wrong_credentials(&self) -> Value {
        let mut wrong = self.right.clone();
        wrong["password"] = "a guess".into();
        wrong
    }

    fn unknown(&self) -> Value {
        let mut unknown = self.wrong_credentials();
        unknown["email"] = "nobody@example.org".into();
        unknown
    }
}

#[test]
fn who_fails_again_and_again_waits_longer_each_time_and_others_do_not() {
    let guarded = RateLimitedServer::start();
    for left in (0..FREE_FAILURES).rev() {
        let response = guarded.sign_in("203.0.113.1", &guarded.wrong_credentials());
        response.expect_error(401, "invalid_credentials");
        assert_eq!(
            (number(&response, "x-ratelimit-limit"), number(&response, "x-ratelimit-remaining")),
            (3, left as u64)
        );
    }
    for wait in [1, 2, 4] {
        let response = guarded.sign_in("203.0.113.1", &guarded.right);
        response.expect_error(429, "rate_limited");
        assert_eq!(number(&response, "retry-after"), wait);
        guarded.server.advance_seconds(wait as i64);
        guarded.sign_in("203.0.113.1", &guarded.wrong_credentials()).expect_error(401, "invalid_credentials");
    }
    guarded.sign_in("203.0.113.2", &guarded.right).ok();
    guarded.server.advance_seconds(8);
    guarded.sign_in("203.0.113.1", &guarded.right).ok();
    for _ in 0..FREE_FAILURES {
        guarded.sign_in("203.0.113.1", &guarded.wrong_credentials()).expect_error(401, "invalid_credentials");
    }
}

#[test]
fn guesses_from_everywhere_use_up_what_strangers_have_and_the_owner_signs_in() {
    let guarded = RateLimitedServer::start();
    guarded.sign_in("203.0.113.1", &guarded.right).ok();
    let guess = |number: usize, body: &Value| guarded.sign_in(&format!("198.51.100.{number}"), body);
    for number in 0..ACCOUNT_BURST - 1 {
        guess(number, &guarded.wrong_credentials()).expect_error(401, "invalid_credentials");
    }
    let limited = guess(100, &guarded.right);
    limited.expect_error(429, "rate_limited");
    assert_eq!(number(&limited, "x-ratelimit-limit"), ACCOUNT_BURST as u64);
    assert_eq!(number(&limited, "x-ratelimit-remaining"), 0);
    guarded.sign_in("203.0.113.1", &guarded.right).ok();
    guarded.server.advance_seconds(i64::try_from(number(&limited, "retry-after")).expect("seconds"));
    guess(101, &guarded.right).ok();
}

#[test]
fn an_account_that_does_not_exist_is_counted_like_one_that_does() {
    let guarded = RateLimitedServer::start();
    let telling = |response: &ApiResponse| {
        let mut headers: Vec<_> = response.headers.iter().filter(|(name, _)| *name != "date").collect();
        headers.sort_by_key(|(name, _)| name.as_str());
        format!("{} {headers:?} {}", response.status, response.text())
    };
    let story = |body: &Value, network: &str| {
        let from = |host: usize| telling(&guarded.sign_in(&format!("{network}.{host}"), body));
        let one: Vec<_> = (0..FREE_FAILURES + 2).map(|_| from(1)).collect();
        let many: Vec<_> = (2..ACCOUNT_BURST + 3).map(from).collect();
        [one, many].concat()
    };
    let (known, unknown) =
        (story(&guarded.wrong_credentials(), "203.0.113"), story(&guarded.unknown(), "198.51.100"));
    assert_eq!(known, unknown);
    assert!(known.iter().any(|response| response.starts_with("429")) && known[0].starts_with("401"));
}

#[test]
fn guessing_from_a_stolen_session_makes_it_wait_too() {
    let guarded = RateLimitedServer::start();
    let me = guarded.server.signed_in_caller();
    let body = |current: &str| json!({"current_password": current, "new_password": PASSWORD});
    // Each of these requests tries two passwords.
    for _ in 0..FREE_FAILURES.div_ceil(2) {
        me.post("/api/sync/auth/password", &body("a guess")).expect_error(401, "invalid_credentials");
    }
    let limited = me.post("/api/sync/auth/password", &body("another"));
    limited.expect_error(429, "rate_limited");
    me.get("/api/sync/status").ok();
    guarded.server.advance_seconds(i64::try_from(number(&limited, "retry-after")).expect("seconds"));
    me.post("/api/sync/auth/password", &body("another")).expect_error(401, "invalid_credentials");
}
