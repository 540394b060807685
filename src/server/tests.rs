//! Starting and stopping a server.

use std::net::TcpListener;
use std::path::Path;

use super::*;
use crate::clock::Clock;
use crate::config::{Settings, Sources, load};
use crate::notify::Hub;
use crate::store::{OpenError, Store};

fn settings(data: &Path, listen: &str) -> Settings {
    let flags = vec![("data", data.to_string_lossy().into_owned()), ("listen", listen.into())];
    load(&Sources { flags, ..Sources::default() }).expect("valid settings").0
}

#[tokio::test]
async fn a_server_that_cannot_listen_leaves_nothing_running_and_no_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("a local address").to_string();
    let failed = start(settings(folder.path(), &address), Clock::system()).await;
    assert!(matches!(failed, Err(StartError::Listen(..))));
    assert!(!control::path(folder.path()).exists());
    let started = start(settings(folder.path(), "127.0.0.1:0"), Clock::system()).await;
    started.expect("the data folder is free again").stop().await;
}

#[tokio::test]
async fn a_stopped_server_removes_its_sockets() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("http.sock");
    let listen = format!("unix:{}", socket.display());
    let running = start(settings(&folder.path().join("data"), &listen), Clock::system()).await;
    let running = running.expect("a server");
    assert!(socket.exists());
    running.stop().await;
    assert!(!socket.exists());
    assert!(!control::path(&folder.path().join("data")).exists());
}

#[tokio::test]
async fn a_server_waits_for_a_command_but_not_for_another_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = || settings(folder.path(), "127.0.0.1:0");
    let command = Store::open(store_options(&settings(), false), Clock::system(), Hub::default());
    let command = command.expect("a store");
    let (running, ()) = tokio::join!(start(settings(), Clock::system()), command.close());
    let running = running.expect("the command has ended");
    let second = start(settings(), Clock::system()).await;
    assert!(matches!(second, Err(StartError::Store(OpenError::InUse(_)))));
    running.stop().await;
}

#[tokio::test]
async fn a_server_without_a_bucket_name_does_not_start_and_leaves_the_folder_free() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(folder.path(), "127.0.0.1:0");
    settings.blobs.backend = crate::config::BlobBackend::S3;
    let failed = start(settings.clone(), Clock::system()).await;
    let Err(StartError::Blobs(error)) = failed else { panic!("it started") };
    assert!(error.to_string().contains("s3.bucket"), "{error}");
    settings.blobs.s3.bucket = "blobs".into();
    settings.blobs.max_blob_bytes = 6_000_000_000;
    assert!(matches!(start(settings.clone(), Clock::system()).await, Err(StartError::Blobs(_))));
    settings.blobs.backend = crate::config::BlobBackend::None;
    start(settings, Clock::system()).await.expect("the data folder is free again").stop().await;
}
