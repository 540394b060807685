//! Names that lead out of the folder, or to something else than a file: from another device that was taken over, say.

use std::fs;

use serde_json::json;
use tidelog_client::{ChangeEntry, ChangeOp, SyncKitClient};

use crate::folder::world::{Folder, World, some};

/// Rows that name one harmless blob under these paths.
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

/// Nothing lies beside the folder.
fn nothing_outside(folder: &Folder) -> bool {
    fs::read_dir(folder.outside()).unwrap().count() == 1
}

#[tokio::test]
async fn no_name_escapes_the_folder_and_the_others_arrive() {
    let world = World::new().await;
    let absolute = world.folder().outside().join("absolute");
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
    push(&world.client().await, &names).await;
    let folder = world.folder();
    let output = folder.run(&[]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.lines().count(), names.len() - 1, "{said}");
    assert!(!output.status.success());
    assert_eq!(folder.files(), some(&[("good/name", b"planted")]));
    assert!(nothing_outside(&folder) && !absolute.exists());
    // Once told, they are left behind.
    folder.sync().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_symlink_in_the_folder_is_never_followed_out_of_it() {
    use std::os::unix::fs::symlink;

    let world = World::new().await;
    let folder = world.folder();
    let elsewhere = world.folder();
    elsewhere.write("target", "untouched");
    symlink(elsewhere.path(), folder.path().join("link")).unwrap();
    symlink(elsewhere.path().join("target"), folder.path().join("file")).unwrap();
    push(&world.client().await, &["link/planted", "link/target", "file"]).await;
    let output = folder.run(&[]).await;
    assert!(!output.status.success());
    assert_eq!(elsewhere.files(), some(&[("target", b"untouched")]));
    assert_eq!(folder.files(), some(&[]));
    // What lies behind links is nobody's business either.
    let fresh = world.folder();
    symlink(elsewhere.path(), fresh.path().join("link")).unwrap();
    fresh.run(&[]).await;
    assert!(world.client().await.list_blobs(None).await.unwrap().blobs.len() == 1, "only what was planted");
}
