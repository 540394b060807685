//! Uploads that differ from their declaration, exceed a quota, or are missing.

use serde_json::{Value, json};

use super::{Fixture, absent, bytes, on_each_store};
use tidelog_test_kit::{Caller, ServerSetup, hash_of};

fn granted_with(setup: ServerSetup) -> (Fixture, Caller) {
    let fixture = Fixture { server: setup.start(), bucket: None };
    let me = fixture.server.signed_in_caller();
    (fixture, me)
}

#[test]
fn an_upload_of_another_length_than_announced_is_refused() {
    on_each_store(|fixture| {
        let me = fixture.server.signed_in_caller();
        let is_direct = fixture.bucket.is_some();
        for length in [0, 999, 1_001, 1_039, 1_041, 100_000] {
            let blob = bytes(length);
            let hash = hash_of(&blob);
            let url = me.upload_url(&hash, 1_000);
            let sent = me.send_blob(&url, &blob);
            if url.starts_with(&fixture.server.url()) {
                sent.expect_error(422, "blob_mismatch");
                me.confirm(&hash, 1_000).expect_error(409, "not_uploaded");
            } else {
                assert!(is_direct);
                // The bucket accepts any bytes; the server checks them on confirmation.
                sent.expect_bytes(200);
                me.confirm(&hash, 1_000).expect_error(422, "blob_mismatch");
                me.confirm(&hash, 1_000).expect_error(409, "not_uploaded");
            }
            me.request_download(&hash).expect_error(404, "not_found");
        }
        fixture.server.cli().run(&["sweep"]).json();
        assert_eq!(fixture.objects(), [""; 0]);
        assert_eq!(me.blob_bytes(), 0);
    });
}

#[test]
fn a_large_object_cannot_be_confirmed_under_a_small_grant() {
    on_each_store(|fixture| {
        let me = fixture.server.signed_in_caller();
        let blob = bytes(10_000);
        let hash = hash_of(&blob);
        let url = me.upload_url(&hash, 10);
        me.send_blob(&url, &blob);
        let refused = me.confirm(&hash, 10_000);
        assert!(matches!(refused.status, 409 | 422), "{}", refused.text());
        me.request_download(&hash).expect_error(404, "not_found");
    });
}

#[test]
fn an_app_may_require_that_the_bytes_match_their_hash() {
    on_each_store(|fixture| {
        let me = fixture.server.signed_in_caller();
        fixture.server.cli().run(&["app", "set", "Notes", "blob_hash=verified"]).json();
        let blob = bytes(700);
        let name = hash_of(b"another");
        me.send_blob(&me.upload_url(&name, 700), &blob).expect_bytes(200);
        me.confirm(&name, 700).expect_error(422, "blob_mismatch");
        me.confirm(&name, 700).expect_error(409, "not_uploaded");
        // The size must match exactly: the plaintext's is refused as well.
        let hash = hash_of(&blob);
        me.send_blob(&me.upload_url(&hash, 660), &blob).expect_bytes(200);
        me.confirm(&hash, 660).expect_error(422, "blob_mismatch");
        me.send_blob(&me.upload_url(&hash, 700), &blob).expect_bytes(200);
        let confirmed = me.confirm(&hash, 700).ok();
        assert_eq!(confirmed, json!({"hash": hash, "size_bytes": 700, "verified": true}));
        fixture.server.cli().run(&["sweep"]).json();
        assert_eq!(fixture.objects().len(), 1);
    });
}

#[test]
fn only_the_invalid_upload_is_discarded() {
    on_each_store(|fixture| {
        fixture.server.new_app("Notes");
        fixture.server.cli().run(&["app", "set", "Notes", "blob_hash=verified"]).json();
        let key = fixture.server.cli().run(&["app", "rotate-key", "Notes"]).json()["api_key"].clone();
        let key = key.as_str().expect("a key").to_owned();
        let app = tidelog_test_kit::App { name: "Notes".into(), id: String::new(), api_key: key };
        let user = fixture.server.new_user("ada@example.org");
        let (honest, broken) = (fixture.server.sign_in(&user, &app), fixture.server.sign_in(&user, &app));
        let blob = bytes(50);
        let hash = hash_of(&blob);
        honest.send_blob(&honest.upload_url(&hash, 50), &blob).expect_bytes(200);
        broken.send_blob(&broken.upload_url(&hash, 50), &[0; 50]).expect_bytes(200);
        // The device's own upload is checked first; the other device's remains.
        broken.confirm(&hash, 50).ok();
        assert_eq!(honest.fetch_blob(&hash), blob);
    });
}

#[test]
fn a_blob_that_was_never_uploaded_cannot_be_confirmed() {
    on_each_store(|fixture| {
        let me = fixture.server.signed_in_caller();
        me.confirm(&absent(), 10).expect_error(409, "not_uploaded");
        me.upload_url(&absent(), 10);
        me.confirm(&absent(), 10).expect_error(409, "not_uploaded");
    });
}

#[test]
fn absurd_sizes_are_refused() {
    let fixture = Fixture::on_disk();
    let me = fixture.server.signed_in_caller();
    let limits = me.get("/api/sync/limits").ok();
    let max = limits["max_blob_bytes"].as_u64().expect("a number");
    me.upload_url(&absent(), max);
    for size in [max + 1, 2_000_000_000_000, i64::MAX as u64, u64::MAX - 39, u64::MAX] {
        me.request_upload(&absent(), size).expect_error(413, "too_large");
        me.confirm(&absent(), size).expect_error(413, "too_large");
    }
    for size in [json!(-1), json!(1.5), json!("5"), json!(1e300), Value::Null, json!([5])] {
        let body = json!({"hash": absent(), "size_bytes": size});
        me.post("/api/sync/blobs/upload", &body).expect_error(422, "invalid_field");
    }
}

#[test]
fn a_two_terabyte_upload_is_granted_where_allowed_but_not_accepted_short() {
    let (fixture, me) =
        granted_with(ServerSetup::default().with("TIDELOG_BLOBS_MAX_BLOB_BYTES", "4000000000000"));
    let url = me.upload_url(&absent(), 2_000_000_000_000);
    me.send_blob(&url, &bytes(1_000)).expect_error(422, "blob_mismatch");
    me.request_upload(&absent(), 4_000_000_000_001).expect_error(413, "too_large");
    assert_eq!(fixture.objects(), [""; 0]);
}

#[test]
fn a_granted_upload_counts_towards_the_quota() {
    let (_fixture, me) = granted_with(ServerSetup::default().with("TIDELOG_BLOBS_USER_QUOTA_BYTES", "1000"));
    assert_eq!(me.get("/api/sync/status").ok()["quota_bytes"], 1_000);
    let first = bytes(600);
    let url = me.upload_url(&hash_of(&first), 600);
    me.request_upload(&absent(), 401).expect_error(402, "quota_exceeded");
    // Repeating the request does not count twice.
    assert_ne!(me.upload_url(&hash_of(&first), 600), "");
    me.send_blob(&url, &first).expect_bytes(200);
    me.confirm(&hash_of(&first), 600).ok();
    me.request_upload(&absent(), 401).expect_error(402, "quota_exceeded");
    let second = me.put_blob(&bytes(400));
    me.request_upload(&absent(), 1).expect_error(402, "quota_exceeded");
    assert_eq!(me.request_upload(&second, 400).ok()["already_exists"], true);
    assert_eq!(me.fetch_blob(&second), bytes(400), "reading goes on");
    me.delete(&format!("/api/sync/blobs/{second}")).expect(204);
    me.upload_url(&absent(), 400);
}

#[test]
fn a_server_without_a_blob_store_says_so() {
    let (_fixture, me) = granted_with(ServerSetup::default().with("TIDELOG_BLOBS_BACKEND", "none"));
    assert_eq!(me.get("/api/sync/limits").ok()["max_blob_bytes"], 0);
    let body = json!({"hash": absent(), "size_bytes": 1});
    for path in ["upload", "confirm", "download"] {
        me.post(&format!("/api/sync/blobs/{path}"), &body).expect_error(503, "no_blobs");
    }
    me.get("/api/sync/blobs").expect_error(503, "no_blobs");
    me.delete(&format!("/api/sync/blobs/{}", absent())).expect_error(503, "no_blobs");
}

#[test]
fn a_wrapped_key_has_a_size_limit_and_a_current_key_version() {
    let fixture = Fixture::on_disk();
    let me = fixture.server.signed_in_caller();
    let blob = bytes(5);
    let hash = hash_of(&blob);
    me.send_blob(&me.upload_url(&hash, 5), &blob).expect_bytes(200);
    let confirm = |wrapped_key: &str, key_version: Value| {
        let body =
            json!({"hash": hash, "size_bytes": 5, "wrapped_key": wrapped_key, "key_version": key_version});
        me.post("/api/sync/blobs/confirm", &body)
    };
    let encode = |length| data_encoding::BASE64.encode(&vec![7; length]);
    for wrong in [String::new(), encode(257), "no base64".into(), encode(256) + "AAAA"] {
        confirm(&wrong, Value::Null).expect_error(422, "invalid_field");
    }
    me.put("/api/sync/keys", &json!({"encrypted_key": "a2V5"})).ok();
    let conflict = confirm(&encode(256), json!(2)).expect_error(409, "key_version_conflict");
    assert_eq!(conflict["key_version"], 1);
    confirm(&encode(256), json!(1)).ok();
    // A request whose response was lost may be repeated, whatever the key is by then.
    confirm(&encode(9), json!(2)).ok();
    let download = me.request_download(&hash).ok();
    assert_eq!((&download["wrapped_key"], &download["key_version"]), (&json!(encode(256)), &json!(1)));
}
