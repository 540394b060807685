//! Fetching and caching an issuer's keys.

use std::io::Write;
use std::net::TcpStream;

use serde_json::json;
use tidelog::server::commands::{Command, IssuerCommand};

use super::{AUDIENCE, Fixture};
use crate::issuer::Issuer;
use tidelog_test_kit::Server;

const HOUR: i64 = 60 * 60;

impl Fixture {
    fn by(&self, kid: &str) -> String {
        self.issuer.sign(kid, &json!({"alg": "ES256", "kid": kid}), &self.claims("ada"))
    }
}

#[test]
fn keys_are_fetched_once_and_kept_across_an_outage() {
    let fixture = Fixture::new();
    fixture.sign_in(&fixture.token("ada"));
    fixture.sign_in(&fixture.token("bob"));
    assert_eq!(fixture.issuer.fetch_count(), 1);
    for trouble in ["fail", "lead_away", "talk_too_much", "talk_nonsense"] {
        fixture.issuer.set_behavior(trouble);
        fixture.server.advance_seconds(HOUR);
        let asked = fixture.issuer.fetch_count();
        fixture.sign_in(&fixture.token("ada"));
        assert_eq!(
            fixture.issuer.fetch_count(),
            asked + 1,
            "{trouble}: keys that are an hour old are fetched again"
        );
    }
}

#[test]
fn a_new_key_is_fetched_with_its_first_token_and_a_removed_one_expires_within_an_hour() {
    let fixture = Fixture::new();
    fixture.sign_in(&fixture.token("ada"));
    fixture.issuer.make_key("next", "EC");
    fixture.issuer.publish(&["EC", "next"]);
    fixture.server.advance_seconds(60);
    fixture.sign_in(&fixture.by("next"));
    fixture.issuer.publish(&["next"]);
    fixture.sign_in(&fixture.token("ada"));
    fixture.server.advance_seconds(HOUR);
    fixture.refuses("a withdrawn key", &fixture.token("ada"));
    fixture.sign_in(&fixture.by("next"));
}

#[test]
fn many_unknown_keys_cause_few_fetches() {
    let fixture = Fixture::new();
    fixture.sign_in(&fixture.token("ada"));
    fixture.issuer.make_key("unpublished", "EC");
    fixture.server.advance_seconds(60);
    for number in 0..50 {
        let header = json!({"alg": "ES256", "kid": format!("made-up-{number}")});
        let token = fixture.issuer.sign("unpublished", &header, &fixture.claims("mallory"));
        fixture.refuses("an unknown key", &token);
    }
    assert_eq!(fixture.issuer.fetch_count(), 2);
    fixture.sign_in(&fixture.token("ada"));
    fixture.server.advance_seconds(60);
    fixture.refuses("an unknown key", &fixture.by("unpublished"));
    assert_eq!(fixture.issuer.fetch_count(), 3);
}

#[test]
fn an_issuer_that_is_down_is_retried_once_a_minute() {
    let fixture = Fixture::new();
    fixture.issuer.set_behavior("fail");
    for _ in 0..5 {
        fixture.refuses("no keys", &fixture.token("ada"));
    }
    assert_eq!(fixture.issuer.fetch_count(), 1);
    fixture.issuer.set_behavior("well");
    fixture.server.advance_seconds(60);
    fixture.sign_in(&fixture.token("ada"));
}

#[test]
fn redirects_endless_and_malformed_key_sets_are_refused() {
    for trouble in ["lead_away", "talk_too_much", "talk_nonsense"] {
        let fixture = Fixture::new();
        fixture.issuer.set_behavior(trouble);
        fixture.refuses(trouble, &fixture.token("ada"));
    }
}

#[test]
fn an_issuer_that_hangs_blocks_nobody_else() {
    let fixture = Fixture::new();
    let other = Issuer::with_keys(&["EC"]);
    fixture.server.command(Command::Issuer(IssuerCommand::Add {
        app: "dev".into(),
        issuer: other.url().into(),
        audience: AUDIENCE.into(),
        jwks_url: Some(other.keys_url()),
        jwks: None,
    }));
    let mut claims = fixture.claims("ada");
    claims["iss"] = other.url().into();
    let of_other = other.sign("EC", &json!({"alg": "ES256", "kid": "EC"}), &claims);
    let (anonymous, api_key, token) =
        (fixture.server.anonymous(), fixture.server.api_key().to_owned(), fixture.token("ada"));
    fixture.issuer.set_behavior("hang");
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let (anonymous, api_key, token) = (anonymous.clone(), api_key.clone(), token.clone());
            std::thread::spawn(move || super::exchange(&anonymous, &api_key, &token))
        })
        .collect();
    while fixture.issuer.fetch_count() == 0 {
        std::thread::yield_now();
    }
    fixture.sign_in(&of_other);
    fixture.server.signed_in_caller().get("/api/sync/status").ok();
    fixture.issuer.set_behavior("well");
    for response in waiting {
        response.join().expect("an answer").ok();
    }
    assert_eq!(fixture.issuer.fetch_count(), 1, "concurrent requests share one fetch");
}

#[test]
fn a_client_that_hangs_up_during_a_fetch_does_not_cancel_it() {
    let fixture = Fixture::new();
    fixture.issuer.set_behavior("hang");
    let address = fixture.server.url().replace("http://", "");
    let body = super::request(fixture.server.api_key(), &fixture.token("mallory")).to_string();
    let mut stranger = TcpStream::connect(&address).expect("the server listens");
    let head = format!("POST /oauth/token HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json");
    let length = body.len();
    write!(stranger, "{head}\r\ncontent-length: {length}\r\n\r\n{body}").expect("it is sent");
    while fixture.issuer.fetch_count() == 0 {
        std::thread::yield_now();
    }
    drop(stranger);
    fixture.issuer.set_behavior("well");
    fixture.sign_in(&fixture.token("ada"));
    assert_eq!(fixture.issuer.fetch_count(), 1);
}

#[test]
fn an_operator_sets_keys_by_file_or_by_discovery() {
    let server = Server::start();
    let (app, issuer) = (server.new_app("Notes"), Issuer::with_keys(&["EC"]));
    let file = server.scratch_path("keys.json");
    std::fs::write(&file, issuer.jwks()).expect("a file");
    let file = file.to_str().expect("a path");
    let claims = |aud: &str| {
        let now = chrono::Utc::now().timestamp();
        json!({"iss": issuer.url(), "aud": aud, "sub": "ada", "iat": now, "exp": now + 300})
    };
    let token = |aud: &str| issuer.sign("EC", &json!({"alg": "ES256", "kid": "EC"}), &claims(aud));
    let anonymous = server.anonymous();
    let add = ["issuer", "add", "Notes", issuer.url(), "--audience"];
    server.cli().run(&[&add[..], &["one", "--jwks-file", file]].concat()).json();
    super::exchange(&anonymous, &app.api_key, &token("one")).ok();
    server.cli().run(&[&add[..], &["two"]].concat()).json();
    super::exchange(&anonymous, &app.api_key, &token("one"))
        .is_error("the audience until then", "invalid_grant");
    super::exchange(&anonymous, &app.api_key, &token("two")).ok();
    let listed = server.cli().run(&["issuer", "list", "Notes"]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!((&listed[0]["audience"], &listed[0]["jwks_url"]), (&json!("two"), &json!(issuer.keys_url())));
    assert!(listed[0]["fetched_at"].is_string());
}

#[test]
fn keys_from_a_file_are_never_fetched() {
    let fixture = Fixture::new();
    fixture.trust("dev", None, Some(fixture.issuer.jwks()));
    fixture.sign_in(&fixture.token("ada"));
    fixture.issuer.make_key("unpublished", "EC");
    fixture.refuses("an unknown key", &fixture.by("unpublished"));
    fixture.server.advance_seconds(2 * HOUR);
    fixture.sign_in(&fixture.token("ada"));
    assert_eq!(fixture.issuer.fetch_count(), 0);
}

#[test]
fn keys_are_found_by_openid_discovery() {
    let fixture = Fixture::new();
    fixture.trust("dev", None, None);
    fixture.sign_in(&fixture.token("ada"));
    let shown = fixture.server.command(Command::Issuer(IssuerCommand::List { app: "dev".into() }));
    assert_eq!(shown[0]["jwks_url"], fixture.issuer.keys_url());
}

#[test]
fn only_signing_keys_of_the_three_supported_kinds_are_used() {
    let fixture = Fixture::with_keys(&["EC", "OKP", "RSA", "RSA-1024", "P-384", "oct"]);
    let by = |kid: &str, alg: &str| {
        fixture.issuer.sign(kid, &json!({"alg": alg, "kid": kid}), &fixture.claims("ada"))
    };
    fixture.sign_in(&by("EC", "ES256"));
    fixture.refuses("1,024 bits", &by("RSA-1024", "RS256"));
    fixture.refuses("another curve", &by("P-384", "ES384"));
    fixture.refuses("a shared secret", &by("oct", "HS256"));
    for change in [
        json!({"use": "enc"}),
        json!({"alg": "ES384"}),
        json!({"key_ops": ["encrypt"]}),
        json!({"kty": "unheard-of"}),
        json!({"y": "AAAA"}),
    ] {
        let mut key = json!({"kid": "EC"});
        key.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        fixture.issuer.publish_as(&json!([key, {"kid": "OKP", "use": "sig", "alg": "EdDSA"}]));
        fixture.server.advance_seconds(HOUR);
        fixture.refuses(&change.to_string(), &by("EC", "ES256"));
        fixture.sign_in(&by("OKP", "EdDSA"));
    }
}

#[test]
fn a_token_without_kid_is_refused_if_two_keys_match() {
    let fixture = Fixture::new();
    fixture.issuer.make_key("next", "EC");
    fixture.issuer.publish(&["EC", "next"]);
    fixture.refuses("no kid", &fixture.issuer.sign("EC", &json!({"alg": "ES256"}), &fixture.claims("ada")));
    fixture.server.advance_seconds(60);
    fixture.sign_in(&fixture.by("next"));
}
