//! Changes in one folder appear in the other.

use std::fs;

use crate::folder::fixture::{Fixture, some};

#[tokio::test]
async fn two_folders_end_with_the_same_files() {
    let fixture = Fixture::new().await;
    let (laptop, phone) = (fixture.folder(), fixture.folder());
    let large: Vec<u8> = (0..3_000_000_u32).map(|byte| (byte % 251) as u8).collect();
    laptop.write("notes.txt", "from the laptop");
    laptop.write("pictures/2026/ü 🌊.raw", &large);
    laptop.write("empty", "");
    phone.write("phone.txt", "from the phone");
    laptop.sync().await;
    phone.sync().await;
    laptop.sync().await;
    let expected = some(&[
        ("notes.txt", b"from the laptop"),
        ("pictures/2026/ü 🌊.raw", &large),
        ("empty", b""),
        ("phone.txt", b"from the phone"),
    ]);
    assert!(laptop.files() == expected);
    assert!(phone.files() == expected);
}

#[tokio::test]
async fn a_missing_folder_is_created_and_filled() {
    let fixture = Fixture::new().await;
    let (laptop, phone) = (fixture.folder(), fixture.folder());
    laptop.write("notes.txt", "from the laptop");
    laptop.sync().await;
    fs::remove_dir(phone.path()).unwrap();
    phone.sync().await;
    assert!(phone.files() == some(&[("notes.txt", b"from the laptop")]));
}

#[tokio::test]
async fn changes_deletions_and_times_arrive() {
    let fixture = Fixture::new().await;
    let (laptop, phone) = (fixture.folder(), fixture.folder());
    laptop.write("a/kept", "one");
    laptop.write("b/gone", "two");
    laptop.sync().await;
    phone.sync().await;
    phone.write("a/kept", "another one");
    phone.remove("b/gone");
    phone.sync().await;
    laptop.sync().await;
    assert_eq!(laptop.files(), some(&[("a/kept", b"another one")]));
    assert!(!laptop.path().join("b").exists(), "the folder went with its last file");
    let time = |folder: &std::path::Path| fs::metadata(folder.join("a/kept")).unwrap().modified().unwrap();
    let apart =
        time(laptop.path()).duration_since(time(phone.path())).unwrap_or_else(|error| error.duration());
    assert!(apart < std::time::Duration::from_micros(1));
}

#[tokio::test]
async fn a_touched_or_copied_file_is_not_uploaded_again() {
    let fixture = Fixture::new().await;
    let laptop = fixture.folder();
    laptop.write("one", "content");
    laptop.sync().await;
    laptop.write("one", "content");
    laptop.write("two", "content");
    laptop.sync().await;
    assert_eq!(fixture.client().await.list_blobs(None).await.unwrap().blobs.len(), 1);
    let phone = fixture.folder();
    phone.sync().await;
    assert_eq!(phone.files(), some(&[("one", b"content"), ("two", b"content")]));
}

#[tokio::test]
async fn cleaning_deletes_unreferenced_blobs_only() {
    let fixture = Fixture::new().await;
    let (laptop, phone) = (fixture.folder(), fixture.folder());
    laptop.write("a", "first");
    laptop.write("b", "stays");
    laptop.sync().await;
    laptop.write("a", "second, longer");
    let cleaned = laptop.run(&["--clean"]).await;
    assert!(cleaned.status.success(), "{}", String::from_utf8_lossy(&cleaned.stderr));
    assert_eq!(fixture.client().await.list_blobs(None).await.unwrap().blobs.len(), 2);
    phone.sync().await;
    assert_eq!(phone.files(), some(&[("a", b"second, longer"), ("b", b"stays")]));
}

#[tokio::test]
async fn a_lost_state_file_is_rebuilt_without_conflicts() {
    let fixture = Fixture::new().await;
    let laptop = fixture.folder();
    laptop.write("a", "content");
    laptop.sync().await;
    fs::remove_file(laptop.path().join(".tidelog-state.json")).unwrap();
    laptop.sync().await;
    assert_eq!(laptop.files(), some(&[("a", b"content")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_folder_syncs_by_itself() {
    let fixture = Fixture::new().await;
    let (laptop, phone) = (fixture.folder(), fixture.folder());
    let mut watching = laptop.watch();
    let client = fixture.client().await;
    let device = client.register_device("listener", "linux").await.unwrap();
    let mut notifications = client.subscribe_notifications(device.id, 0);
    laptop.write("from the laptop", "hello");
    while client.pull(device.id, 0).await.unwrap().0.is_empty() {
        notifications.next().await.unwrap();
    }
    phone.sync().await;
    assert_eq!(phone.files(), some(&[("from the laptop", b"hello")]));
    phone.write("from the phone", "hello again");
    phone.sync().await;
    let laptop = tokio::task::spawn_blocking(move || {
        watching.says("received from the phone");
        laptop
    });
    assert_eq!(laptop.await.unwrap().files(), phone.files());
}
