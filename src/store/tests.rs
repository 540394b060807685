//! What the front door cannot show: failing commits, full disks, panics, and what is left in the tables.

mod audit;
mod blobs;
mod deletion;
mod log;
mod plans;
mod rotations;

use std::path::Path;

use tidelog_protocol::{Change, Cursor, Platform, Timestamp};
use uuid::Uuid;

use super::*;
use crate::clock::Clock;
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::changes::{Batch, PushOutcome};
use crate::model::devices::NewDevice;
use crate::model::sessions::Caller;
use crate::notify::Hub;

fn options(data: &Path) -> Options {
    Options {
        data: data.into(),
        synchronous: Synchronous::Normal,
        readers: 2,
        allow_network_file_system: false,
        serving: true,
        audit_days: 90,
    }
}

fn open(data: &Path) -> Store {
    Store::open(options(data), Clock::system(), Hub::default()).expect("a store")
}

/// A user with a session in an app, and a device of it.
struct Member {
    caller: Caller,
    device: Uuid,
}

async fn create_user(store: &Store, email: &str) {
    let new = NewUser { id: Uuid::now_v7(), email: email.into(), password_hash: "hash".into() };
    store.create_user(Actor::Operator, new, false).await.expect("a user");
}

async fn member(store: &Store, email: &str) -> Member {
    let key = [email.len() as u8; 32];
    store.create_app(Actor::Operator, Uuid::now_v7(), format!("app of {email}"), key).await.expect("an app");
    create_user(store, email).await;
    let stored = store.find_credentials(email.into(), key).await.expect("credentials");
    let new = NewSession {
        id: Uuid::now_v7(),
        app: stored.app_row.expect("the app"),
        api_key_hash: key,
        user: stored.user.expect("the user").row,
        password_hash: Some("hash".into()),
        refresh_hash: *blob32(&Uuid::now_v7()),
        expires_at: i64::MAX,
    };
    let caller = store.begin_session(Actor::Server, new).await.expect("a session").expect("a live user");
    let device = NewDevice { name: "Laptop".into(), platform: Platform::Linux, install_id: None };
    let registration = store.register_device(&caller, device, Uuid::now_v7(), 10).await.expect("a device");
    let Registration::Created(device) = registration else { panic!("the device is new") };
    Member { caller, device: device.id }
}

/// Signs in to the app whose API key hashes to zeros.
async fn sign_in(store: &Store, email: &str) -> Caller {
    let stored = store.find_credentials(email.into(), [0; 32]).await.expect("credentials");
    let new = NewSession {
        id: Uuid::now_v7(),
        app: stored.app_row.expect("the app"),
        api_key_hash: [0; 32],
        user: stored.user.expect("the user").row,
        password_hash: Some("hash".into()),
        refresh_hash: *blob32(&Uuid::now_v7()),
        expires_at: i64::MAX,
    };
    store.begin_session(Actor::Server, new).await.expect("a session").expect("a live user")
}

fn blob32(id: &Uuid) -> Box<[u8; 32]> {
    let mut bytes = Box::new([0; 32]);
    bytes[..16].copy_from_slice(id.as_bytes());
    bytes
}

fn batch(device: Uuid, data: &str) -> Batch {
    let change = Change {
        table: "tasks".into(),
        op: "insert".into(),
        row_id: "1".into(),
        timestamp: Timestamp::EPOCH,
        data: Some(data.into()),
        key_version: None,
    };
    Batch::new(Uuid::now_v7(), device, [change].iter(), None).expect("a valid change")
}

async fn push(store: &Store, member: &Member, data: &str) -> Result<PushOutcome, Fault> {
    store.push(member.caller.clone().into(), batch(member.device, data)).await
}

async fn total(store: &Store, member: &Member) -> u64 {
    store.log_status(&member.caller).await.expect("a status").total_changes
}

#[tokio::test]
async fn a_unit_that_panics_or_fails_takes_no_other_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let member = member(&store, "a@example.com").await;
    let panics = store.write(1, |tx| -> Result<(), Fault> {
        tx.execute("DELETE FROM sessions", [])?;
        panic!("a fault in a write function")
    });
    let fails = store.write(1, |tx| -> Result<(), Fault> {
        tx.execute("DELETE FROM sessions", [])?;
        Err(Fault::Internal("no".into()))
    });
    let (panicked, failed, pushed) = tokio::join!(panics, fails, push(&store, &member, "x"));
    assert!(panicked.is_err() && failed.is_err());
    assert!(matches!(pushed, Ok(PushOutcome::Stored { .. })));
    assert!(store.find_caller(member.caller.session).await.expect("a look-up").is_some());
}

#[tokio::test]
async fn a_full_disk_is_told_apart_leaves_nothing_and_passes() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let member = member(&store, "a@example.com").await;
    let cap = |pages: i64| store.write(1, move |tx| Ok(tx.pragma_update(None, "max_page_count", pages)?));
    cap(1).await.expect("SQLite keeps the pages that it has");
    let big = "~".repeat(500_000);
    assert!(matches!(push(&store, &member, &big).await, Err(Fault::StorageFull)));
    assert_eq!(total(&store, &member).await, 0);
    cap(1_000_000).await.expect("room again");
    assert!(matches!(push(&store, &member, &big).await, Ok(PushOutcome::Stored { .. })));
    assert_eq!(total(&store, &member).await, 1);
}

#[tokio::test]
async fn a_sign_in_whose_password_was_replaced_meanwhile_comes_to_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let member = member(&store, "a@example.com").await;
    let key = [13; 32];
    let stored = store.find_credentials("a@example.com".into(), key).await.expect("credentials");
    let user = stored.user.expect("the user");
    assert!(
        store
            .set_password(Actor::Operator, "a@example.com".into(), "another hash".into())
            .await
            .expect("set")
    );
    let new = NewSession {
        id: Uuid::now_v7(),
        app: stored.app_row.expect("the app"),
        api_key_hash: key,
        user: user.row,
        password_hash: Some(user.password_hash),
        refresh_hash: *blob32(&Uuid::now_v7()),
        expires_at: i64::MAX,
    };
    assert_eq!(store.begin_session(Actor::Server, new).await.expect("no fault"), None);
    assert!(store.find_caller(member.caller.session).await.expect("a look-up").is_none());
}

#[tokio::test]
async fn after_a_commit_that_failed_the_store_reopens_in_a_new_epoch() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let member = member(&store, "a@example.com").await;
    let Ok(PushOutcome::Stored { cursor: before, .. }) = push(&store, &member, "x").await else {
        panic!("stored")
    };
    let dangling = store.write(1, |tx| {
        tx.execute_batch("PRAGMA defer_foreign_keys = ON")?;
        Ok(tx.execute("INSERT INTO logs (app, user) VALUES (-1, -1)", [])?)
    });
    assert!(dangling.await.is_err());
    // The writer answers the failed group first and reopens then: what comes in between is told to come again.
    let after = loop {
        match push(&store, &member, "y").await {
            Ok(PushOutcome::Stored { cursor, .. }) => break cursor,
            Ok(other) => panic!("{other:?}"),
            Err(Fault::Unavailable(_)) => tokio::task::yield_now().await,
            Err(other) => panic!("{other:?}"),
        }
    };
    let (Cursor::InEpoch { epoch: old, .. }, Cursor::InEpoch { epoch: new, .. }) = (before, after) else {
        panic!("cursors carry epochs")
    };
    assert_ne!(old, new);
    assert_eq!(total(&store, &member).await, 2);
}

#[tokio::test]
async fn a_second_process_is_refused_while_the_store_is_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let second = Store::open(options(folder.path()), Clock::system(), Hub::default());
    assert!(matches!(second, Err(OpenError::InUse(_))));
    store.close().await;
    open(folder.path()).close().await;
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let member = member(&store, "a@example.com").await;
    store.close().await;
    assert!(matches!(push(&store, &member, "x").await, Err(Fault::Unavailable(_))));
    assert!(matches!(store.log_status(&member.caller).await, Err(Fault::Unavailable(_))));
}

#[tokio::test]
async fn the_log_refuses_to_be_rewritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let member = member(&store, "a@example.com").await;
    push(&store, &member, "x").await.expect("stored");
    for rewrite in ["DELETE FROM changes", "UPDATE changes SET data = 'y'"] {
        let refused = store.write(1, move |tx| Ok(tx.execute(rewrite, [])?)).await;
        assert!(refused.is_err_and(|fault| fault.to_string().contains("append-only")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_beside_a_long_read_and_the_log_shrinks_once_it_ends() {
    /// Beyond the length at which the writer empties the log, twice over.
    const BIG_WRITES: usize = 150;
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let member = member(&store, "a@example.com").await;
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let (started, has_started) = tokio::sync::oneshot::channel();
    let long_read = {
        let store = store.clone();
        tokio::spawn(async move {
            let hold = move |connection: &rusqlite::Connection| {
                connection.query_row("SELECT count(*) FROM changes", [], |_| Ok(()))?;
                let _ = started.send(());
                let _ = ended.recv();
                Ok(())
            };
            store.read(hold).await
        })
    };
    has_started.await.expect("the read holds its snapshot");
    // Not base64: a byte that is stored for each that is sent.
    let big = "~".repeat(1_000_000);
    for _ in 0..BIG_WRITES {
        assert!(matches!(push(&store, &member, &big).await, Ok(PushOutcome::Stored { .. })));
    }
    let log = folder.path().join("tidelog.db-wal");
    let length = || std::fs::metadata(&log).expect("a log").len();
    assert!(length() > BIG_WRITES as u64 * 1_000_000, "the read keeps all of it");
    end.send(()).expect("the read is waiting");
    long_read.await.expect("the read ends").expect("no fault");
    for _ in 0..BIG_WRITES {
        push(&store, &member, &big).await.expect("stored");
    }
    assert!(length() < 100_000_000, "{}", length());
}
