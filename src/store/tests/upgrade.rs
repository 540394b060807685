//! A database of each released schema opens as what it was.

use super::log::{Entry, pull};
use super::*;
use crate::model::blobs::BlobHash;
use crate::model::rotations::Begin;
use crate::store::migrations::make_old;

const V1: &str = include_str!("../migrations/fixtures/v1.sql");
const V2: &str = include_str!("../migrations/fixtures/v2.sql");
const V3: &str = include_str!("../migrations/fixtures/v3.sql");
const V4: &str = include_str!("../migrations/fixtures/v4.sql");

pub(super) async fn sign_in(store: &Store, email: &str) -> Caller {
    let rows = store.sign_in_rows(email.into(), [0; 32]).await.expect("rows");
    let new = NewSession {
        id: Uuid::now_v7(),
        app: rows.app.expect("the app").0,
        api_key_hash: [0; 32],
        user: rows.user.expect("the user").row,
        password_hash: Some("hash".into()),
        refresh_hash: *blob32(&Uuid::now_v7()),
        expires_at: i64::MAX,
    };
    store.begin_session(new).await.expect("a session").expect("a live user")
}

fn device(number: u128) -> Uuid {
    Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8050 + number)
}

fn entry(seq: i64, op: &str, row_id: &str, data: Option<&str>) -> Entry {
    Entry { seq, op: op.into(), row_id: row_id.into(), data: data.map(Into::into) }
}

#[tokio::test]
async fn a_log_of_version_1_reads_as_it_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    make_old(folder.path(), 1, V1);
    let store = open(folder.path());
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
    let caller = sign_in(&store, "a@example.com").await;
    let uuid = "01890a5d-ac96-774b-bcce-b302099a8057";
    let entries = pull(&store, &caller, device(1), Cursor::Start).await;
    let expected = [
        entry(2, "insert", "1", Some("AQID")),
        entry(3, "INSERT", uuid, Some("AQ==")),
        entry(5, "Update", &uuid.to_uppercase(), Some("plain")),
        entry(6, "delete", "é", None),
        entry(8, "dELETe", "01890a5d-ac96-774b-bcce-b302099a805g", Some("")),
        entry(9, "update", "--------------------------------------", Some("x")),
    ];
    assert_eq!(entries, expected);
    let status = store.log_status(&caller).await.expect("a status");
    assert_eq!((status.total_changes, status.change_bytes, status.key_version), (6, 14, 1));
}

#[tokio::test]
async fn a_log_of_version_1_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    make_old(folder.path(), 1, V1);
    let store = open(folder.path());
    let caller = Arc::new(sign_in(&store, "a@example.com").await);
    // The phone has pulled up to 3, the laptop wrote up to 8 since.
    let from_phone = store.push(caller.clone(), batch(device(2), "y")).await.expect("no fault");
    assert!(matches!(from_phone, Push::Stored { cursor: Cursor::Mark { seq: 3, .. }, .. }), "{from_phone:?}");
    // Numbers up to 12 had been given out.
    let newest = pull(&store, &caller, device(1), Cursor::Number(9)).await;
    assert_eq!(newest.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [13]);
    // A number of a log that is gone stays gone.
    store.create_user(Uuid::now_v7(), "c@example.com".into(), "hash".into(), false).await.expect("a user");
    assert!(sign_in(&store, "c@example.com").await.log > 7);
}

#[tokio::test]
async fn a_log_of_version_2_keeps_its_key_and_can_rotate_it() {
    let folder = tempfile::tempdir().expect("a folder");
    make_old(folder.path(), 2, V2);
    let store = open(folder.path());
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
    let caller = sign_in(&store, "a@example.com").await;
    let (envelope, rotation) = store.find_key(caller.log).await.expect("no fault").expect("a key");
    assert_eq!((envelope.encrypted_key, envelope.key_version, envelope.revision), (vec![1, 2], 2, 5));
    assert_eq!(rotation, None);
    let keyless = sign_in(&store, "b@example.com").await;
    assert_eq!(store.find_key(keyless.log).await.expect("no fault"), None);
    let begun = store.begin_rotation(&caller, vec![3], None).await.expect("no fault");
    assert_eq!(begun, Begin::Runs(3));
    let rotation = store.find_keys(caller.log).await.expect("no fault").rotation.expect("it runs");
    assert_eq!((rotation.remaining, rotation.started), (4, false));
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
}

#[tokio::test]
async fn a_log_of_version_3_goes_on_with_its_rotation_and_can_have_blobs() {
    let folder = tempfile::tempdir().expect("a folder");
    make_old(folder.path(), 3, V3);
    let store = open(folder.path());
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
    let app = store.find_app("notes".into()).await.expect("no fault").expect("the app");
    assert_eq!(app.settings, crate::model::apps::AppSettings::default());
    let caller = sign_in(&store, "a@example.com").await;
    let rotation = store.find_keys(caller.log).await.expect("no fault").rotation.expect("it runs");
    let progress = (rotation.key_version, rotation.remaining, rotation.blobs_remaining, rotation.started);
    assert_eq!((rotation.id, progress), (8, (4, 2, 0, true)));
    assert_eq!(store.list_rotations().await.expect("no fault").len(), 2);
    let new = NewUpload {
        id: Uuid::now_v7(),
        hash: BlobHash([7; 32]),
        size_bytes: 1,
        lives_us: 1_000_000,
        quota_bytes: None,
    };
    assert_eq!(store.grant_upload(&caller, new).await.expect("no fault"), Grant::Granted(new.id));
    // Number 9 had been given out to a rotation that is gone.
    let keyless = sign_in(&store, "b@example.com").await;
    store.put_key(&keyless, vec![1], None, None).await.expect("no fault");
    store.begin_rotation(&keyless, vec![2], None).await.expect("no fault");
    let next = store.find_keys(keyless.log).await.expect("no fault").rotation.expect("it runs");
    assert_eq!(next.id, 10);
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
}

#[tokio::test]
async fn users_of_version_4_stay_signed_in_and_their_numbers_stay_spent() {
    let folder = tempfile::tempdir().expect("a folder");
    make_old(folder.path(), 4, V4);
    let store = open(folder.path());
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
    let users = store.list_users().await.expect("users");
    let seen: Vec<_> =
        users.iter().map(|user| (user.email.as_deref(), user.admin, user.disabled_at)).collect();
    assert_eq!(seen, [(Some("a@example.com"), true, None), (Some("b@example.com"), false, Some(2000))]);
    let session = Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8081);
    let caller = store.find_caller(session).await.expect("no fault").expect("the session lives");
    assert_eq!(pull(&store, &caller, device(1), Cursor::Start).await.len(), 1);
    // Number 9 had been given out to a user who is gone.
    store.create_user(Uuid::now_v7(), "d@example.com".into(), "hash".into(), false).await.expect("a user");
    let rows = store.sign_in_rows("d@example.com".into(), [0; 32]).await.expect("rows");
    assert_eq!(rows.user.expect("the user").row, 10);
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
}
