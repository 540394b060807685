//! Mutates well-formed requests to every route, 5,000 times: no server fault, no undocumented response.
//!
//! The test kit checks both for every response. The seed repeats a run.

use reqwest::Method;
use serde_json::{Value, json};

use tidelog_test_kit::{Caller, Contract, SeededRng, Server, change, claims_of, fresh_id, hash_of, text};

const REQUESTS: usize = 5_000;
const SEED: u64 = 20_260_313;

/// Values that replace parts of a request.
fn replacement_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e308),
        json!(""),
        json!("0"),
        json!("\u{0}"),
        json!("\u{202e}\u{feff}"),
        json!("'; DROP TABLE changes; --"),
        json!("9223372036854775807-aaaaaaaa"),
        json!("99999999999999999999-aaaaaaaa"),
        json!("5-aaaaaaaa"),
        json!("x".repeat(5_000)),
        json!([]),
        json!([[]]),
        json!({}),
        json!({"": null}),
        json!(fresh_id()),
        json!("2026-03-13T10:00:00Z"),
        json!("-0001-01-01T00:00:00Z"),
        json!("c2VhbGVk"),
    ]
}

/// A user who owns a resource of every kind that a request may name.
struct Fixture {
    me: Caller,
    anonymous: Caller,
    app: String,
    device: String,
    odd: Vec<Value>,
    rng: SeededRng,
}

impl Fixture {
    fn well_formed(&mut self, method: &str, path: &str) -> Option<Value> {
        Some(match (method, path.rsplit('/').next()?) {
            ("POST", "auth") => json!({"email": "ada@example.org", "password": "a", "api_key": "k"}),
            ("POST", "refresh") => json!({"refresh_token": fresh_id()}),
            ("POST", "devices") => {
                let name = format!("Device {}", self.rng.below(20));
                json!({"device_name": name, "platform": "web", "install_id": fresh_id()})
            }
            ("POST", "push") => {
                let changes: Vec<_> =
                    (0..self.rng.below(4)).map(|row| change(&format!("row-{row}"))).collect();
                json!({"device_id": self.device, "batch_id": fresh_id(), "changes": changes, "expected_cursor": 0})
            }
            ("POST", "pull") => json!({
                "device_id": self.device, "cursor": 0, "limit": 3, "tables": ["notes"], "since": "2026-03-13T10:00:00Z",
                "include_own": true,
            }),
            ("POST", "upload") => json!({"hash": hash_of(b"blob"), "size_bytes": self.rng.below(50)}),
            ("POST", "confirm") => json!({
                "hash": hash_of(b"blob"), "size_bytes": 4, "wrapped_key": "c2VhbGVk", "key_version": 1,
            }),
            ("POST", "download") => json!({"hash": hash_of(b"blob")}),
            ("PUT", "keys") => json!({"encrypted_key": "c2VhbGVk", "expected_revision": 0, "key_version": 1}),
            _ => return None,
        })
    }

    /// Replaces or removes a value at any depth.
    fn mutate(&mut self, value: &mut Value) {
        let children = match value {
            Value::Object(fields) => fields.len(),
            Value::Array(items) => items.len(),
            _ => 0,
        } as u64;
        if children == 0 || self.rng.below(6) == 0 {
            *value = self.rng.pick(&self.odd).clone();
            return;
        }
        let chosen = self.rng.below(children) as usize;
        match value {
            Value::Object(fields) => {
                let name = fields.keys().nth(chosen).expect("it has that many").clone();
                if self.rng.below(5) == 0 {
                    fields.remove(&name);
                } else {
                    self.mutate(&mut fields[&name]);
                }
            }
            Value::Array(items) => self.mutate(&mut items[chosen]),
            _ => unreachable!("only these two have children"),
        }
    }

    fn body(&mut self, method: &str, path: &str) -> Option<Vec<u8>> {
        let mut body = self.well_formed(method, path)?;
        for _ in 0..self.rng.below(3) {
            self.mutate(&mut body);
        }
        let mut bytes = body.to_string().into_bytes();
        match self.rng.below(12) {
            0 => bytes.truncate(self.rng.below(bytes.len() as u64 + 1) as usize),
            1 => {
                let place = self.rng.below(bytes.len() as u64) as usize;
                bytes[place] = self.rng.below(256) as u8;
            }
            _ => {}
        }
        Some(bytes)
    }

    fn path(&mut self, template: &str) -> String {
        let ids = [
            self.device.clone(),
            fresh_id(),
            "0".into(),
            "%F0%9F%A6%80".into(),
            "..%2f..".into(),
            "a".repeat(500),
        ];
        let id = if self.rng.below(40) == 0 { self.rng.pick(&ids).clone() } else { fresh_id() };
        let mut path = match (template.find('{'), template.find('}')) {
            (Some(from), Some(to)) => format!("{}{id}{}", &template[..from], &template[to + 1..]),
            _ => template.to_owned(),
        };
        if self.rng.below(2) == 0 {
            path = path.replace("/api/sync", "/api/v1/sync");
        }
        if path.ends_with("/subscribe") && self.rng.below(4) > 0 {
            let (app, cursors) = (&self.app, ["0", "2", "-1", "9999", "2-aaaaaaaa", "%00"]);
            let (device, cursor) = (self.rng.pick(&ids).clone(), self.rng.pick(&cursors).to_string());
            path = format!("{path}?app_id={app}&device_id={device}&cursor={cursor}");
        }
        match self.rng.below(20) {
            0 => path + "/",
            1 => path + "?cursor=1&cursor=%00",
            2 => path + "/more",
            _ => path,
        }
    }

    fn send_one(&mut self) -> u16 {
        let operations: Vec<_> = Contract::operations().into_iter().collect();
        let operation = self.rng.pick(&operations).clone();
        let methods = ["GET", "POST", "PUT", "DELETE", "PATCH"].map(str::to_owned);
        let method =
            if self.rng.below(20) == 0 { self.rng.pick(&methods).clone() } else { operation.method.clone() };
        // Signing out would end the run.
        let caller = match self.rng.below(10) {
            0 => self.anonymous.clone(),
            _ if operation.path.ends_with("/logout") => self.anonymous.clone(),
            _ => self.me.clone(),
        };
        let path = self.path(&operation.path);
        let body = self.body(&method, &operation.path);
        let kinds = [
            Some("application/json"),
            Some("application/json"),
            Some("application/json"),
            Some("text/html"),
            None,
        ];
        let kind = *self.rng.pick(&kinds);
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        caller.send(method, &path, body.as_ref().and(kind), body.as_deref().unwrap_or_default()).status
    }
}

#[test]
fn five_thousand_mutated_requests_get_documented_responses() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let device = me.device("Laptop");
    let app = text(&claims_of(me.token())["app"]);
    let (odd, rng) = (replacement_values(), SeededRng::new(SEED));
    let mut fixture = Fixture { anonymous: server.anonymous(), app, odd, rng, me, device };
    let mut taken = 0;
    for _ in 0..REQUESTS {
        taken += usize::from(fixture.send_one() < 300);
    }
    assert!(
        (REQUESTS / 20..REQUESTS).contains(&taken),
        "{taken} were accepted: the mutation is too strong or too weak"
    );
    let log = server.log();
    assert!(!log.contains("panicked") && !log.contains("locked"), "{log}");
    server.cli().run(&["check"]).json();
}
