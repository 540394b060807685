//! Rows of blobs: many sealed keys in a rotation, and uploads that race with confirmations and deletions.

use futures_util::future::join_all;

use super::*;
use crate::model::blobs::{BlobHash, Content, Location, SealedKey, Upload};
use crate::model::rotations::{
    BeginOutcome, BlobKeyBatch, BlobKeyReplacement, BlobKeysOutcome, CompleteOutcome, RotationBatchOutcome,
};

const MANY: u32 = 10_000;
const PAGE: usize = 500;

fn hash(number: u32) -> BlobHash {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    BlobHash(hash)
}

fn content(bytes: u64) -> Content {
    Content { bytes, hash: Some([0; 32]) }
}

async fn grant(store: &Store, member: &Member, hash: BlobHash) -> Upload {
    let new =
        NewUpload { id: Uuid::new_v4(), hash, size_bytes: 5, lifetime_us: 1_000_000_000, quota_bytes: None };
    let granted = store.grant_upload(&member.caller, new).await.expect("no fault");
    let GrantOutcome::Granted(id) = granted else { panic!("{granted:?}") };
    store.find_upload(member.caller.log, id).await.expect("no fault").expect("it is granted")
}

async fn receive(store: &Store, member: &Member, upload: &Upload) -> Option<Upload> {
    let object = Uuid::new_v4();
    let noted = store.note_received(&member.caller, upload.id, object, content(5)).await;
    noted.expect("no fault").then(|| Upload { received: Some((object, content(5))), ..*upload })
}

async fn confirm(store: &Store, member: &Member, upload: Upload) -> ConfirmUploadOutcome {
    let (object, content) = upload.received.expect("it was received");
    let wrapped_key = Some((b"old".to_vec(), None));
    let new = CheckedUpload { upload, object, bytes: content.bytes, verified: false, wrapped_key };
    store.confirm_upload(&member.caller, new).await.expect("no fault")
}

async fn put(store: &Store, member: &Member, hash: BlobHash) {
    let upload = grant(store, member, hash).await;
    let upload = receive(store, member, &upload).await.expect("it is granted");
    let confirmed = confirm(store, member, upload).await;
    assert!(matches!(confirmed, ConfirmUploadOutcome::Blob(_)), "{confirmed:?}");
}

#[tokio::test]
async fn ten_thousand_sealed_keys_are_replaced_page_by_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let member = member(&store, "a@example.com").await;
    store.put_key(&member.caller, vec![1], None, None).await.expect("no fault");
    join_all((0..MANY).map(|number| put(&store, &member, hash(number)))).await;
    let begun = store.begin_rotation(&member.caller, vec![2], None).await.expect("no fault");
    assert_eq!(begun, BeginOutcome::Runs(2));
    let (mut after, mut left) = (None, u64::from(MANY));
    loop {
        let page = store.rotation_blob_keys(&member.caller, after, PAGE).await.expect("no fault");
        let BlobKeysOutcome::Page { keys, has_more, remaining } = page else { panic!("{page:?}") };
        assert_eq!((keys.len(), remaining), (PAGE, left));
        after = keys.last().map(|(hash, _)| *hash);
        let keys =
            keys.into_iter().map(|(hash, _)| (hash, BlobKeyReplacement::Sealed(b"new".to_vec()))).collect();
        let batch = BlobKeyBatch { key_version: Some(2), keys };
        let outcome = store.rotate_blob_keys(&member.caller, batch).await.expect("no fault");
        let RotationBatchOutcome::Stored(answer) = outcome else { panic!("{outcome:?}") };
        left -= PAGE as u64;
        assert_eq!((answer.updated, answer.remaining), (PAGE as u64, left));
        if !has_more {
            break;
        }
    }
    let completed = store.complete_rotation(&member.caller, Some(2)).await.expect("no fault");
    assert_eq!((completed, left), (CompleteOutcome::Completed(2), 0));
    let blob = store.find_blob(member.caller.log, hash(MANY - 1)).await.expect("no fault").expect("a blob");
    assert_eq!(blob.key, Some(SealedKey { wrapped_key: b"new".to_vec(), key_version: 2 }));
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
    store.delete_user(Actor::Operator, "a@example.com".into()).await.expect("no fault");
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
    assert_eq!(store.count_due_objects(0).await.expect("a count"), MANY as usize);
}

#[tokio::test]
async fn an_upload_received_again_while_the_first_is_confirmed_replaces_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let member = member(&store, "a@example.com").await;
    let upload = grant(&store, &member, hash(1)).await;
    let first = receive(&store, &member, &upload).await.expect("it is granted");
    let second = receive(&store, &member, &upload).await.expect("it is granted");
    assert_eq!(confirm(&store, &member, first).await, ConfirmUploadOutcome::Gone);
    assert!(matches!(confirm(&store, &member, second).await, ConfirmUploadOutcome::Blob(_)));
    let removed = store.due_objects(0).await.expect("no fault");
    let (object, _) = first.received.expect("it was received");
    assert_eq!(removed, [RemovedObject { object, location: Location::Pending }]);
    // After the confirmation, nothing more is received.
    assert_eq!(receive(&store, &member, &upload).await, None);
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
}

#[tokio::test]
async fn an_upload_received_again_is_not_discarded_with_a_wrong_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let member = member(&store, "a@example.com").await;
    let upload = grant(&store, &member, hash(1)).await;
    let wrong = receive(&store, &member, &upload).await.expect("it is granted");
    let right = receive(&store, &member, &upload).await.expect("it is granted");
    store.discard_upload(&member.caller, wrong).await.expect("no fault");
    assert!(matches!(confirm(&store, &member, right).await, ConfirmUploadOutcome::Blob(_)));
}

#[tokio::test]
async fn an_object_that_a_restored_database_refers_to_is_not_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let member = member(&store, "a@example.com").await;
    put(&store, &member, hash(1)).await;
    let blob = store.find_blob(member.caller.log, hash(1)).await.expect("no fault").expect("a blob");
    let known = store.unknown_objects(vec![blob.object, Uuid::nil()]).await.expect("no fault");
    assert_eq!(known, [Uuid::nil()]);
    let removed = store.remove_unknown_objects(vec![blob.object, Uuid::nil()], Location::Final).await;
    assert_eq!(removed.expect("no fault"), 1);
    let due = store.due_objects(0).await.expect("no fault");
    assert_eq!(due, [RemovedObject { object: Uuid::nil(), location: Location::Final }]);
}
