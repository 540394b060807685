//! Parts of a folder that may not be read are left out, and nothing else is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::folder::fixture::{Fixture, Folder, some};

/// A folder whose permissions are others until this is dropped: what may not be read cannot be removed either.
struct Restricted(PathBuf);

impl Restricted {
    fn to(folder: &Folder, path: &str, mode: u32) -> Self {
        let path = folder.path().join(path);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Self(path)
    }
}

impl Drop for Restricted {
    fn drop(&mut self) {
        let _ = fs::set_permissions(&self.0, fs::Permissions::from_mode(0o755));
    }
}

/// Runs the program, which must name what it leaves out. Returns what it says.
async fn sync_in_part(folder: &Folder, left_out: &str) -> String {
    let output = folder.run(&[]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "it has left something out");
    assert!(said.lines().all(|line| line.starts_with(&format!("folder: {left_out}"))), "{said}");
    assert!(said.contains("Permission denied"), "{said}");
    said
}

#[tokio::test]
async fn a_folder_that_may_not_be_read_is_named_and_the_rest_is_synced() {
    let fixture = Fixture::new().await;
    let (laptop, phone) = (fixture.folder(), fixture.unprivileged_folder());
    laptop.write("theirs.txt", "from the laptop");
    laptop.sync().await;
    phone.write("before.txt", "comes before it");
    phone.write("lost+found/piece", "not to be read");
    phone.write("mine.txt", "comes after it");
    phone.write("pictures/one", "in another folder");
    let restricted = Restricted::to(&phone, "lost+found", 0o000);
    assert_eq!(sync_in_part(&phone, "lost+found: ").await.lines().count(), 1);
    drop(restricted);
    laptop.sync().await;
    let expected = some(&[
        ("theirs.txt", b"from the laptop"),
        ("before.txt", b"comes before it"),
        ("mine.txt", b"comes after it"),
        ("pictures/one", b"in another folder"),
    ]);
    assert_eq!(laptop.files(), expected);
    // Nothing had to be remembered of it.
    phone.sync().await;
    laptop.sync().await;
    assert_eq!(laptop.files()["lost+found/piece"], b"not to be read");
}

#[tokio::test]
async fn nothing_counts_as_deleted_in_a_folder_that_may_no_longer_be_read() {
    let fixture = Fixture::new().await;
    let (laptop, phone) = (fixture.folder(), fixture.unprivileged_folder());
    phone.write("private/a", "one");
    phone.write("private/deep/er/b", "two");
    phone.write("private-not", "deleted in earnest");
    phone.sync().await;
    laptop.sync().await;
    phone.remove("private-not");
    let kept = some(&[("private/a", b"one"), ("private/deep/er/b", b"two")]);
    // Not at all; only its names; only what is in it, whose names are known.
    for mode in [0o000, 0o444, 0o111] {
        let restricted = Restricted::to(&phone, "private", mode);
        sync_in_part(&phone, "private").await;
        drop(restricted);
        laptop.sync().await;
        assert_eq!(laptop.files(), kept, "{mode:o}");
    }
    phone.sync().await;
    phone.remove("private/a");
    phone.sync().await;
    laptop.sync().await;
    assert_eq!(
        laptop.files(),
        some(&[("private/deep/er/b", b"two")]),
        "a deletion that is one still arrives"
    );
}

#[tokio::test]
async fn a_change_from_elsewhere_waits_until_its_folder_may_be_read_again() {
    let fixture = Fixture::new().await;
    let (laptop, phone) = (fixture.folder(), fixture.unprivileged_folder());
    phone.write("private/a", "one");
    phone.sync().await;
    laptop.sync().await;
    laptop.write("private/a", "one and a half");
    laptop.write("other", "from the laptop");
    laptop.sync().await;
    let restricted = Restricted::to(&phone, "private", 0o000);
    sync_in_part(&phone, "private").await;
    drop(restricted);
    assert_eq!(phone.files(), some(&[("private/a", b"one"), ("other", b"from the laptop")]));
    phone.sync().await;
    laptop.sync().await;
    assert_eq!(phone.files(), some(&[("private/a", b"one and a half"), ("other", b"from the laptop")]));
    assert_eq!(laptop.files(), phone.files());
}
