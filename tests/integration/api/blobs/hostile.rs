//! Misuse of presigned URLs and hashes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use data_encoding::BASE64URL_NOPAD;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Fixture, absent, bytes, on_each_store};
use tidelog_test_kit::{Caller, ManualClockServer, Server, hash_of};

fn get(me: &Caller, url: &str) -> tidelog_test_kit::ApiResponse {
    me.call_url(Method::GET, url, Default::default(), None)
}

#[test]
fn a_presigned_url_with_any_part_changed_is_refused() {
    let fixture = Fixture::on_disk();
    let me = fixture.server.signed_in_caller();
    let stored = me.put_blob(&bytes(10));
    let (up, down) = (me.upload_url(&absent(), 10), me.download_url(&stored));
    let (upper, lower) = (up.rsplit_once('/').expect("a path"), down.rsplit_once('/').expect("a path"));
    let mut token = BASE64URL_NOPAD.decode(lower.1.as_bytes()).expect("base64url");
    for place in (0..token.len()).step_by(7) {
        token[place] ^= 1;
        let changed = format!("{}/{}", lower.0, BASE64URL_NOPAD.encode(&token));
        get(&me, &changed).expect_error(401, "unauthenticated");
        token[place] ^= 1;
    }
    // An upload URL does not work for downloads, nor the reverse.
    get(&me, &format!("{}/{}", lower.0, upper.1)).expect_error(401, "unauthenticated");
    me.send_blob(&format!("{}/{}", upper.0, lower.1), &bytes(10)).expect_error(401, "unauthenticated");
    for wrong in ["x", "..%2f..%2ftidelog.db", &"A".repeat(10_000), "%00", "%ff"] {
        get(&me, &format!("{}/{wrong}", lower.0)).expect_error(401, "unauthenticated");
        me.send_blob(&format!("{}/{wrong}", upper.0), b"x").expect_error(401, "unauthenticated");
    }
    assert_eq!(get(&me, &down).expect_bytes(200), bytes(10));
}

#[test]
fn a_presigned_url_ends_with_its_session() {
    let fixture = Fixture::on_disk();
    let (app, user) = (fixture.server.new_app("Notes"), fixture.server.new_user("ada@example.org"));
    let (me, witness) = (fixture.server.sign_in(&user, &app), fixture.server.sign_in(&user, &app));
    let stored = me.put_blob(&bytes(10));
    let (up, down) = (me.upload_url(&absent(), 10), me.download_url(&stored));
    let fetched = witness.download_url(&stored);
    me.call(Method::POST, "/api/sync/auth/logout", None).expect(204);
    me.send_blob(&up, &bytes(10)).expect_error(401, "unauthenticated");
    get(&me, &down).expect_error(401, "unauthenticated");
    assert_eq!(get(&me, &fetched).expect_bytes(200), bytes(10));
    assert_eq!(fixture.objects().len(), 1);
}

#[test]
fn a_presigned_url_lasts_fifteen_minutes() {
    let server = ManualClockServer::start(&[]);
    let me = server.signed_in_caller();
    let stored = me.put_blob(&bytes(10));
    let (up, down) = (me.upload_url(&absent(), 10), me.download_url(&stored));
    let seconds = me.get("/api/sync/limits").ok()["blob_url_seconds"].as_i64().expect("seconds");
    assert_eq!(seconds, 15 * 60);
    server.advance_seconds(seconds - 1);
    assert_eq!(get(&me, &down).expect_bytes(200), bytes(10));
    server.advance_seconds(1);
    get(&me, &down).expect_error(401, "unauthenticated");
    me.send_blob(&up, &bytes(10)).expect_error(401, "unauthenticated");
    assert_eq!(server.objects().len(), 1);
}

#[test]
fn an_upload_url_changes_nothing_once_the_blob_is_confirmed() {
    on_each_store(|fixture| {
        let me = fixture.server.signed_in_caller();
        let blob = bytes(80);
        let hash = hash_of(&blob);
        let url = me.upload_url(&hash, 80);
        me.send_blob(&url, &blob).expect_bytes(200);
        me.confirm(&hash, 80).ok();
        let late = me.send_blob(&url, &[9; 80]);
        if url.starts_with(&fixture.server.url()) {
            late.expect_error(404, "not_found");
        }
        assert_eq!(me.fetch_blob(&hash), blob);
        assert_eq!(me.confirm(&hash, 80).ok()["size_bytes"], 80);
        assert_eq!(me.fetch_blob(&hash), blob);
        assert_eq!(fixture.final_objects().len(), 1);
    });
}

#[test]
fn a_blob_of_another_user_is_not_found() {
    on_each_store(|fixture| {
        let (notes, tasks) = (fixture.server.new_app("Notes"), fixture.server.new_app("Tasks"));
        let (ada, bob) =
            (fixture.server.new_user("ada@example.org"), fixture.server.new_user("bob@example.org"));
        let owner = fixture.server.sign_in(&ada, &notes);
        let hash = owner.put_blob(&bytes(60));
        let sent = hash_of(b"sent, not confirmed");
        owner.send_blob(&owner.upload_url(&sent, 3), b"abc").expect_bytes(200);
        for stranger in [fixture.server.sign_in(&bob, &notes), fixture.server.sign_in(&ada, &tasks)] {
            for name in [&hash, &sent] {
                let responses = |name: &str| {
                    let requested = stranger.request_download(name);
                    let removed = stranger.delete(&format!("/api/sync/blobs/{name}"));
                    let confirmed = stranger.confirm(name, 60);
                    [requested, removed, confirmed].map(|response| (response.status, response.text()))
                };
                assert_eq!(responses(name), responses(&absent()));
            }
            assert_eq!(stranger.request_upload(&hash, 60).ok()["already_exists"], false);
            assert_eq!(stranger.get("/api/sync/blobs").ok()["blobs"], json!([]));
            assert_eq!(stranger.blob_bytes(), 0);
        }
        assert_eq!(owner.fetch_blob(&hash), bytes(60));
    });
}

#[test]
fn no_field_is_used_as_a_path() {
    let fixture = Fixture::on_disk();
    let me = fixture.server.signed_in_caller();
    let before = everything_in(&fixture.server);
    let tricks = [
        "../../../../etc/passwd".into(),
        "/etc/passwd".into(),
        "a/../b".into(),
        "..".into(),
        "%2e%2e%2f".into(),
        "C:\\windows".into(),
        "\0".into(),
        String::new(),
        "F".repeat(64),
        "../".repeat(21) + "a",
        "é".repeat(32),
        "0".repeat(65),
    ];
    for trick in &tricks {
        for (path, body) in [
            ("upload", json!({"hash": trick, "size_bytes": 1})),
            ("confirm", json!({"hash": trick, "size_bytes": 1})),
            ("download", json!({"hash": trick})),
        ] {
            me.post(&format!("/api/sync/blobs/{path}"), &body).expect_error(422, "invalid_field");
        }
    }
    for path in ["..%2f..%2f..%2fetc%2fpasswd", "%2e%2e", "....//", "%00"] {
        let response = me.delete(&format!("/api/sync/blobs/{path}"));
        assert!(matches!(response.status, 404 | 405), "{path}: {}", response.status);
    }
    assert_eq!(everything_in(&fixture.server), before);
}

fn everything_in(server: &Server) -> Vec<String> {
    tidelog_test_kit::objects_in(server.data().parent().expect("a folder"))
}

/// Sends the head of an upload and these bytes.
fn send_raw(url: &str, promised: &str, sent: &[u8]) -> TcpStream {
    let (address, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a URL");
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let head = format!("PUT /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{promised}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("the head is sent");
    stream.write_all(sent).expect("some bytes are sent");
    stream
}

/// Sends some bytes of an upload, and disconnects.
fn cut_off(url: &str, promised: &str, sent: &[u8]) {
    let mut stream = send_raw(url, promised, sent);
    stream.shutdown(Shutdown::Write).expect("nothing more comes");
    // Wait until the server has noticed.
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Returns the status line of the response to a chunked upload.
fn in_chunks(url: &str, chunks: &[u8]) -> String {
    let mut response = String::new();
    let mut stream = send_raw(url, "transfer-encoding: chunked", chunks);
    stream.read_to_string(&mut response).expect("a response");
    response.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn an_interrupted_upload_leaves_nothing_and_can_be_repeated() {
    for fixture in [
        Fixture::on_disk(),
        Fixture::in_bucket(|setup| setup.with("TIDELOG_BLOBS_S3_PROXY_TRANSFERS", "true")),
    ] {
        let me = fixture.server.signed_in_caller();
        let blob = bytes(1_000_000);
        let hash = hash_of(&blob);
        let url = me.upload_url(&hash, 1_000_000);
        cut_off(&url, "content-length: 1000000", &blob[..999_999]);
        cut_off(&url, "content-length: 1000000", &[]);
        // Chunked, without the last chunk.
        cut_off(&url, "transfer-encoding: chunked", b"5\r\nabcde\r\n");
        me.confirm(&hash, 1_000_000).expect_error(409, "not_uploaded");
        me.send_blob(&url, &blob).expect_bytes(200);
        me.confirm(&hash, 1_000_000).ok();
        assert!(me.fetch_blob(&hash) == blob);
        assert_eq!(fixture.final_objects().len(), 1);
        assert_eq!(me.get("/api/sync/status").ok()["blob_bytes"], 1_000_000);
    }
}

#[test]
fn a_chunked_upload_is_limited_as_it_arrives() {
    let fixture = Fixture::on_disk();
    let me = fixture.server.signed_in_caller();
    let hash = hash_of(b"abcde");
    let url = me.upload_url(&hash, 5);
    // 46 bytes, with no declared length.
    let chunk = format!("2e\r\n{}\r\n0\r\n\r\n", "x".repeat(46));
    assert!(in_chunks(&url, chunk.as_bytes()).contains(" 422 "));
    me.confirm(&hash, 5).expect_error(409, "not_uploaded");
    assert!(in_chunks(&url, b"5\r\nabcde\r\n0\r\n\r\n").contains(" 200 "));
    let confirmed: Value = me.confirm(&hash, 5).ok();
    assert_eq!(confirmed["verified"], true);
}

#[test]
fn stalled_clients_block_nobody() {
    /// More than the number of blocking threads.
    const STALLED: usize = 600;
    let fixture = Fixture::on_disk();
    let me = fixture.server.signed_in_caller();
    let half = bytes(30_000);
    let (up, stored) = (me.upload_url(&absent(), 60_000), me.put_blob(&bytes(60_000)));
    let down = me.download_url(&stored);
    let (address, path) = down.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a URL");
    let mut stalled: Vec<_> = (0..STALLED).map(|_| send_raw(&up, "content-length: 60000", &half)).collect();
    for _ in 0..STALLED {
        let mut reader = TcpStream::connect(address).expect("the server listens");
        let head = format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        reader.write_all(head.as_bytes()).expect("the head is sent");
        stalled.push(reader);
    }
    let hash = me.put_blob(&bytes(1_000));
    assert_eq!(me.fetch_blob(&hash), bytes(1_000));
    // Each of them can still continue.
    let first = &mut stalled[0];
    first.write_all(&half).expect("the other half is sent");
    let mut response = String::new();
    first.read_to_string(&mut response).expect("a response");
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    drop(stalled);
    assert_eq!(me.confirm(&absent(), 60_000).ok()["size_bytes"], 60_000);
}
