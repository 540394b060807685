//! Blobs by plain HTTP: on disk, in a bucket that clients reach themselves, and in one behind this server.

mod hostile;
mod ranges;
mod refusals;
mod rotation;
mod steps;
mod sweep;

use tidelog_test_kit::{Bucket, Server, ServerSetup, hash_of};

/// What a server keeps its blobs in.
struct World {
    server: Server,
    bucket: Option<Bucket>,
}

impl World {
    fn on_disk() -> Self {
        Self { server: Server::start(), bucket: None }
    }

    fn in_bucket(setup: impl FnOnce(ServerSetup) -> ServerSetup) -> Self {
        let bucket = Bucket::start();
        Self { server: setup(bucket.setup()).start(), bucket: Some(bucket) }
    }

    /// Everything that is stored, sorted.
    fn objects(&self) -> Vec<String> {
        self.bucket.as_ref().map_or_else(|| self.server.objects(), Bucket::objects)
    }

    /// Objects of confirmed blobs.
    fn final_objects(&self) -> Vec<String> {
        self.objects().into_iter().filter(|name| name.starts_with("blobs/")).collect()
    }
}

/// Runs a test on each kind of store.
fn on_each_store(test: impl Fn(&World)) {
    for (name, world) in [
        ("disk", World::on_disk()),
        ("bucket", World::in_bucket(|setup| setup)),
        ("proxied bucket", World::in_bucket(|setup| setup.with("TIDELOG_BLOBS_S3_PROXY_TRANSFERS", "true"))),
    ] {
        eprintln!("on {name}");
        test(&world);
        let check = world.server.cli().run(&["check"]).json();
        assert_eq!(check["faults"], serde_json::json!([]), "on {name}");
    }
}

/// So many bytes that are not all alike.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place * 31 % 251) as u8).collect()
}

/// The name of a blob that nobody has.
fn absent() -> String {
    hash_of(b"absent")
}
