//! A file changed in two folders is kept twice, in every folder.

use std::collections::BTreeMap;

use crate::folder::fixture::{Fixture, Folder};

/// Returns contents by name; names of conflict copies without their distinguishing part.
fn shapes(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let shape = |name: String| match (name.find("(conflict "), name.find(')')) {
        (Some(from), Some(to)) => format!("{}(conflict{}", &name[..from], &name[to..]),
        _ => name,
    };
    folder.files().into_iter().map(|(name, content)| (shape(name), content)).collect()
}

/// Syncs both folders until nothing changes.
async fn settle(laptop: &Folder, phone: &Folder) -> BTreeMap<String, Vec<u8>> {
    for _ in 0..2 {
        laptop.sync().await;
        phone.sync().await;
    }
    laptop.sync().await;
    assert_eq!(laptop.files(), phone.files());
    shapes(laptop)
}

async fn two_with(content: &str) -> (Fixture, Folder, Folder) {
    let fixture = Fixture::new().await;
    let (laptop, phone) = (fixture.folder(), fixture.folder());
    laptop.write("report.txt", content);
    laptop.sync().await;
    phone.sync().await;
    (fixture, laptop, phone)
}

#[tokio::test]
async fn a_file_changed_in_both_folders_is_kept_twice() {
    let (_world, laptop, phone) = two_with("before").await;
    laptop.write("report.txt", "by the laptop");
    phone.write("report.txt", "by the phone, later");
    let files = settle(&laptop, &phone).await;
    assert_eq!(files["report.txt"], b"by the laptop");
    assert_eq!(files["report (conflict).txt"], b"by the phone, later");
    assert_eq!(files.len(), 2);
}

#[tokio::test]
async fn the_same_change_in_both_folders_is_no_conflict() {
    let (_world, laptop, phone) = two_with("before").await;
    for folder in [&laptop, &phone] {
        folder.write("report.txt", "the same after");
    }
    let files = settle(&laptop, &phone).await;
    assert_eq!(files, BTreeMap::from([("report.txt".to_owned(), b"the same after".to_vec())]));
}

#[tokio::test]
async fn a_new_file_with_one_name_in_both_folders_is_kept_twice() {
    let fixture = Fixture::new().await;
    let (laptop, phone) = (fixture.folder(), fixture.folder());
    laptop.write("new", "by the laptop");
    phone.write("new", "by the phone");
    let files = settle(&laptop, &phone).await;
    assert_eq!(files["new"], b"by the laptop");
    assert_eq!(files["new (conflict)"], b"by the phone");
}

#[tokio::test]
async fn a_change_wins_over_a_deletion_whichever_came_first() {
    for deleted_first in [true, false] {
        let (_world, laptop, phone) = two_with("before").await;
        laptop.remove("report.txt");
        phone.write("report.txt", "changed meanwhile");
        if deleted_first {
            laptop.sync().await;
        } else {
            phone.sync().await;
        }
        let files = settle(&laptop, &phone).await;
        let expected = BTreeMap::from([("report.txt".to_owned(), b"changed meanwhile".to_vec())]);
        assert_eq!(files, expected, "deleted first: {deleted_first}");
    }
}

/// Two programs push without having seen each other's push: the one with the older row finds its version replaced by
/// a device that had not seen it.
#[tokio::test]
async fn a_concurrent_version_is_kept_beside_its_successor() {
    use tidelog_client::{ChangeEntry, ChangeOp};

    let (fixture, laptop, phone) = two_with("before").await;
    laptop.write("report.txt", "by the laptop");
    laptop.sync().await;
    let client = fixture.client().await;
    let device = client.register_device("blind", "linux").await.unwrap();
    let blob = client.put_blob(std::io::Cursor::new(b"blindly".to_vec()), |_| {}).await.unwrap();
    let file =
        serde_json::json!({ "hash": blob.hash, "size": blob.size, "modified": 1_700_000_000_000_000_i64 });
    let change = ChangeEntry {
        table: "files".into(),
        op: ChangeOp::Insert,
        row_id: "report.txt".into(),
        timestamp: chrono::Utc::now(),
        data: Some(serde_json::json!({ "file": file, "previous": null })),
    };
    client.push(device.id, vec![change]).await.unwrap();
    let files = settle(&laptop, &phone).await;
    assert_eq!(files["report.txt"], b"blindly");
    assert_eq!(files["report (conflict).txt"], b"by the laptop");
}
