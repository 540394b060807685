//! Signing in through a browser with a third-party client: Authlib in Python.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use tidelog_test_kit::{PASSWORD, Server};

const REDIRECT: &str = "http://127.0.0.1:4711/callback";

#[test]
fn authlib_finds_everything_by_the_metadata_and_completes_the_flow() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let mut client = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.venv/bin/python"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../wire/oauth_client.py"))
        .args([&server.url(), &app.api_key, REDIRECT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("scripts/test has installed Python");
    let mut lines = BufReader::new(client.stdout.take().expect("its output")).lines();
    let address = lines.next().expect("an address").expect("a line");
    let tab = server.tab();
    let page = tab.open(&address).expect(200);
    let sent = tab.send(&page, &[("email", &user.email), ("password", PASSWORD)]).expect(303);
    let consent = tab.follow(&sent).expect(200);
    let back = tab.send(&consent, &[("decision", "allow")]).expect(303);
    let mut input = client.stdin.take().expect("its input");
    writeln!(input, "{}", back.location()).expect("it reads");
    let done = lines.next().expect("a verdict").expect("a line");
    assert_eq!(done, format!("ada@example.org in {}", app.id));
    assert!(client.wait().expect("it ends").success());
}
