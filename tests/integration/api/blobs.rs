//! Blobs over plain HTTP: on disk, in a bucket that clients access directly, and in a bucket behind the server.

mod hostile;
mod ranges;
mod refusals;
mod rotation;
mod steps;
mod sweep;

use tidelog_test_kit::{Bucket, Server, ServerSetup, hash_of};

/// A server and its blob store.
struct Fixture {
    server: Server,
    bucket: Option<Bucket>,
}

impl Fixture {
    fn on_disk() -> Self {
        Self { server: Server::start(), bucket: None }
    }

    fn in_bucket(setup: impl FnOnce(ServerSetup) -> ServerSetup) -> Self {
        let bucket = Bucket::start();
        Self { server: setup(bucket.setup()).start(), bucket: Some(bucket) }
    }

    /// Returns the names of all objects, sorted.
    fn objects(&self) -> Vec<String> {
        self.bucket.as_ref().map_or_else(|| self.server.objects(), Bucket::objects)
    }

    /// Returns the objects of confirmed blobs.
    fn final_objects(&self) -> Vec<String> {
        self.objects().into_iter().filter(|name| name.starts_with("blobs/")).collect()
    }
}

/// Runs a test with each kind of blob store.
fn on_each_store(test: impl Fn(&Fixture)) {
    for (name, fixture) in [
        ("disk", Fixture::on_disk()),
        ("bucket", Fixture::in_bucket(|setup| setup)),
        (
            "proxied bucket",
            Fixture::in_bucket(|setup| setup.with("TIDELOG_BLOBS_S3_PROXY_TRANSFERS", "true")),
        ),
    ] {
        eprintln!("on {name}");
        test(&fixture);
        let check = fixture.server.cli().run(&["check"]).json();
        assert_eq!(check["faults"], serde_json::json!([]), "on {name}");
    }
}

/// Returns this many bytes that are not all equal.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place * 31 % 251) as u8).collect()
}

/// Returns the hash of a blob that does not exist.
fn absent() -> String {
    hash_of(b"absent")
}
