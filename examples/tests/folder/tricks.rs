//! Names that lead out of the folder, or to something other than a file, as a compromised device may send.

use std::fs;

use serde_json::json;
use tidelog_client::{ChangeEntry, ChangeOp, SyncKitClient};

use crate::folder::fixture::{Fixture, Folder, some};

/// Pushes rows that name one harmless blob under these paths.
async fn push(client: &SyncKitClient, paths: &[&str]) {
    let device = client.register_device("taken over", "linux").await.unwrap();
    let blob = client.put_blob(std::io::Cursor::new(b"planted".to_vec()), |_| {}).await.unwrap();
    let file = json!({ "hash": blob.hash, "size": blob.size, "modified": 1_700_000_000_000_000_i64 });
    let change = |path: &&str| ChangeEntry {
        table: "files".into(),
        op: ChangeOp::Insert,
        row_id: (*path).into(),
        timestamp: chrono::Utc::now(),
        data: Some(json!({ "file": file, "previous": null })),
    };
    client.push(device.id, paths.iter().map(change).collect()).await.unwrap();
}

/// Asserts that nothing was written next to the folder.
fn nothing_outside(folder: &Folder) -> bool {
    fs::read_dir(folder.outside()).unwrap().count() == 1
}

#[tokio::test]
async fn no_name_escapes_the_folder_and_the_others_arrive() {
    let fixture = Fixture::new().await;
    let absolute = fixture.folder().outside().join("absolute");
    let names = [
        "../escaped",
        "a/../../escaped",
        "a/../within",
        "./within",
        "a//within",
        "a/",
        "..",
        ".",
        "/",
        "back\\slash",
        ".tidelog-state.json",
        ".tidelog-incoming",
        absolute.to_str().unwrap(),
        "good/name",
    ];
    push(&fixture.client().await, &names).await;
    let folder = fixture.folder();
    let output = folder.run(&[]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.lines().count(), names.len() - 1, "{said}");
    assert!(!output.status.success());
    assert_eq!(folder.files(), some(&[("good/name", b"planted")]));
    assert!(nothing_outside(&folder) && !absolute.exists());
    // Reported once, they are skipped from then on.
    folder.sync().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_symlink_in_the_folder_is_never_followed_out_of_it() {
    use std::os::unix::fs::symlink;

    let fixture = Fixture::new().await;
    let folder = fixture.folder();
    let elsewhere = fixture.folder();
    elsewhere.write("target", "untouched");
    symlink(elsewhere.path(), folder.path().join("link")).unwrap();
    symlink(elsewhere.path().join("target"), folder.path().join("file")).unwrap();
    push(&fixture.client().await, &["link/planted", "link/target", "file"]).await;
    let output = folder.run(&[]).await;
    assert!(!output.status.success());
    assert_eq!(elsewhere.files(), some(&[("target", b"untouched")]));
    assert_eq!(folder.files(), some(&[]));
    // Targets of symbolic links are not synced either.
    let fresh = fixture.folder();
    symlink(elsewhere.path(), fresh.path().join("link")).unwrap();
    fresh.run(&[]).await;
    assert!(fixture.client().await.list_blobs(None).await.unwrap().blobs.len() == 1, "only what was planted");
}
