//! The documented steps, and the repetitions that are allowed.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{Fixture, absent, bytes, on_each_store};
use tidelog_test_kit::{Bucket, ServerSetup, hash_of};

#[test]
fn the_documented_steps_upload_and_download_a_blob() {
    on_each_store(|fixture| {
        let me = fixture.server.signed_in_caller();
        let blob = bytes(5_000);
        let (hash, size) = (hash_of(&blob), 5_000);
        let url = me.upload_url(&hash, size);
        let own = fixture.bucket.as_ref().map_or(fixture.server.url(), |bucket| bucket.url().to_owned());
        assert!(url.starts_with(&own) || url.starts_with(&fixture.server.url()), "{url}");
        me.request_download(&hash).expect_error(404, "not_found");
        me.send_blob(&url, &blob).expect_bytes(200);
        me.request_download(&hash).expect_error(404, "not_found");
        assert_eq!(me.blob_bytes(), 0);
        let wrapped = BASE64.encode(b"sealed key");
        let confirm = json!({"hash": hash, "size_bytes": size, "wrapped_key": wrapped});
        let confirmed = me.post("/api/sync/blobs/confirm", &confirm).ok();
        assert_eq!((&confirmed["hash"], &confirmed["size_bytes"]), (&json!(hash), &json!(size)));
        let download = me.request_download(&hash).ok();
        let known = (&download["wrapped_key"], &download["key_version"], &download["size_bytes"]);
        assert_eq!(known, (&json!(wrapped), &json!(0), &json!(size)));
        assert_eq!(me.fetch_blob(&hash), blob);
        assert_eq!(me.blob_bytes(), size);
        let listed = me.get("/api/sync/blobs").ok();
        assert_eq!((&listed["has_more"], &listed["blobs"][0]["hash"]), (&json!(false), &json!(hash)));
        let again = me.request_upload(&hash, size).ok();
        assert_eq!(again, json!({"upload_url": "", "already_exists": true}));
        assert_eq!(fixture.final_objects().len(), 1);
        assert!(
            !fixture.objects().iter().any(|name| name.contains(&hash)),
            "the hash is only in the database"
        );
    });
}

#[test]
fn blobs_of_every_size_come_back_as_they_were() {
    on_each_store(|fixture| {
        let me = fixture.server.signed_in_caller();
        // Empty, less than a chunk, several chunks, and more than one part of a multipart upload.
        for length in [0, 1, 300_000, 6_000_000] {
            let blob = bytes(length);
            let hash = me.put_blob(&blob);
            assert!(me.fetch_blob(&hash) == blob, "{length} bytes differ from what was uploaded");
        }
        assert_eq!(me.blob_bytes(), 6_300_001);
    });
}

#[test]
fn a_client_may_use_the_hash_and_size_of_the_plaintext() {
    on_each_store(|fixture| {
        let me = fixture.server.signed_in_caller();
        let (name, sealed) = (hash_of(b"plaintext"), bytes(1_040));
        me.send_blob(&me.upload_url(&name, 1_000), &sealed).expect_bytes(200);
        let confirmed = me.confirm(&name, 1_000).ok();
        assert_eq!(confirmed, json!({"hash": name, "size_bytes": 1_040, "verified": false}));
        assert_eq!(me.fetch_blob(&name), sealed);
        assert_eq!(me.blob_bytes(), 1_040);
    });
}

#[test]
fn a_repeated_confirmation_gets_the_same_answer() {
    on_each_store(|fixture| {
        let me = fixture.server.signed_in_caller();
        let hash = me.put_blob(&bytes(100));
        let (first, objects) = (me.confirm(&hash, 100).ok(), fixture.objects());
        assert_eq!(me.confirm(&hash, 100).ok(), first);
        // Whatever the size in the request.
        assert_eq!(me.confirm(&hash, 7).ok(), first);
        assert_eq!(fixture.objects(), objects);
        assert_eq!(me.blob_bytes(), 100);
    });
}

#[test]
fn two_devices_that_upload_the_same_blob_store_one() {
    on_each_store(|fixture| {
        let (app, user) = (fixture.server.new_app("Notes"), fixture.server.new_user("ada@example.org"));
        let (laptop, phone) = (fixture.server.sign_in(&user, &app), fixture.server.sign_in(&user, &app));
        let blob = bytes(2_000);
        let hash = hash_of(&blob);
        let urls = [laptop.upload_url(&hash, 2_000), phone.upload_url(&hash, 2_000)];
        assert_ne!(urls[0], urls[1]);
        laptop.send_blob(&urls[0], &blob).expect_bytes(200);
        phone.send_blob(&urls[1], &blob).expect_bytes(200);
        let first = laptop.confirm(&hash, 2_000).ok();
        assert_eq!(phone.confirm(&hash, 2_000).ok(), first);
        fixture.server.cli().run(&["sweep"]).json();
        assert_eq!(fixture.objects().len(), 1, "{:?}", fixture.objects());
        assert_eq!(phone.fetch_blob(&hash), blob);
        assert_eq!(phone.blob_bytes(), 2_000);
    });
}

#[test]
fn an_interrupted_upload_is_repeated_at_the_same_url() {
    on_each_store(|fixture| {
        let me = fixture.server.signed_in_caller();
        let blob = bytes(3_000);
        let hash = hash_of(&blob);
        let url = me.upload_url(&hash, 3_000);
        me.send_blob(&url, &blob).expect_bytes(200);
        // As if the response had been lost.
        me.send_blob(&url, &blob).expect_bytes(200);
        me.confirm(&hash, 3_000).ok();
        fixture.server.cli().run(&["sweep"]).json();
        assert_eq!(fixture.objects().len(), 1, "{:?}", fixture.objects());
        assert_eq!(me.fetch_blob(&hash), blob);
    });
}

#[test]
fn a_removed_blob_is_gone_at_once_and_can_be_uploaded_again() {
    on_each_store(|fixture| {
        let me = fixture.server.signed_in_caller();
        let blob = bytes(400);
        let hash = me.put_blob(&blob);
        let objects = fixture.objects();
        me.delete(&format!("/api/sync/blobs/{hash}")).expect(204);
        me.delete(&format!("/api/sync/blobs/{hash}")).expect_error(404, "not_found");
        me.request_download(&hash).expect_error(404, "not_found");
        assert_eq!((me.blob_bytes(), me.get("/api/sync/blobs").ok()["blobs"].clone()), (json!(0), json!([])));
        assert_eq!(fixture.objects(), objects, "its object stays for the grace time");
        assert_eq!(me.put_blob(&blob), hash);
        assert_eq!(fixture.objects().len(), 2);
        assert_eq!(me.fetch_blob(&hash), blob);
    });
}

#[test]
fn a_download_url_of_a_removed_blob_stays_invalid() {
    let fixture = Fixture::on_disk();
    let me = fixture.server.signed_in_caller();
    let hash = me.put_blob(&bytes(400));
    let url = me.download_url(&hash);
    me.delete(&format!("/api/sync/blobs/{hash}")).expect(204);
    let fetch = || me.call_url(reqwest::Method::GET, &url, Default::default(), None);
    fetch().expect_error(404, "not_found");
    me.put_blob(&bytes(400));
    fetch().expect_error(404, "not_found");
}

#[test]
fn blobs_are_listed_in_pages_ordered_by_hash() {
    let fixture = Fixture::on_disk();
    let me = fixture.server.signed_in_caller();
    let mut hashes: Vec<_> = (1..=7).map(|length| me.put_blob(&bytes(length))).collect();
    hashes.sort();
    let (mut seen, mut path) = (Vec::new(), "/api/sync/blobs?limit=3".to_owned());
    loop {
        let page = me.get(&path).ok();
        let names = page["blobs"].as_array().expect("blobs").iter().map(|blob| blob["hash"].clone());
        seen.extend(names.map(|name| name.as_str().expect("a name").to_owned()));
        if page["has_more"] == Value::Bool(false) {
            break;
        }
        path = format!("/api/sync/blobs?limit=3&after={}", seen.last().expect("a page"));
    }
    assert_eq!(seen, hashes);
    for wrong in ["limit=0", "limit=x", "after=..%2f..%2fetc", "after="] {
        me.get(&format!("/api/sync/blobs?{wrong}")).expect_error(422, "invalid_field");
    }
    let beyond = me.get(&format!("/api/sync/blobs?after={}", "f".repeat(64))).ok();
    assert_eq!(beyond, json!({"blobs": [], "has_more": false}));
    me.request_download(&absent()).expect_error(404, "not_found");
}

#[test]
fn presigned_urls_use_the_public_url_of_the_server_or_bucket() {
    let setup = ServerSetup::default().with("TIDELOG_PUBLIC_URL", "https://sync.example.org/tide/");
    let server = setup.start();
    let me = server.signed_in_caller();
    let url = me.upload_url(&absent(), 1);
    assert!(url.starts_with("https://sync.example.org/tide/api/sync/blobs/up/"), "{url}");

    let bucket = Bucket::start();
    let public = bucket.url().replace("127.0.0.1", "localhost");
    let server = bucket.setup().with("TIDELOG_BLOBS_S3_PUBLIC_ENDPOINT", &public).start();
    let me = server.signed_in_caller();
    let url = me.upload_url(&hash_of(b"abc"), 3);
    assert!(url.starts_with(&public), "{url}");
    // The signature covers the hash.
    me.send_blob(&url, b"abc").expect_bytes(200);
    me.confirm(&hash_of(b"abc"), 3).ok();
    assert_eq!(me.fetch_blob(&hash_of(b"abc")), b"abc");
}

#[test]
fn no_presigned_url_is_logged() {
    let server = ServerSetup::default().with("TIDELOG_LOG", "trace").start();
    let me = server.signed_in_caller();
    let blob = bytes(10);
    let up = me.upload_url(&hash_of(&blob), 10);
    me.send_blob(&up, &blob).expect_bytes(200);
    me.confirm(&hash_of(&blob), 10).ok();
    let down = me.download_url(&hash_of(&blob));
    me.fetch_blob(&hash_of(&blob));
    for url in [up, down] {
        let token = url.rsplit('/').next().expect("a token");
        assert!(!server.log().contains(token));
    }
}
