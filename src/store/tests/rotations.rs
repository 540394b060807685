//! What a rotation leaves in the tables, and what becomes of it when time passes or somebody stops half-way.

use tidelog_protocol::RotatedEntry;

use super::log::pull;
use super::*;
use crate::model::keys::PutKeyOutcome;
use crate::model::rotations::{BeginOutcome, CompleteOutcome, EntryBatch, RotationBatchOutcome};

const WEEK_SECONDS: i64 = 7 * 24 * 60 * 60;

fn rotated(entries: &[(i64, Option<&str>)]) -> EntryBatch {
    let entries: Vec<_> = entries
        .iter()
        .map(|(seq, data)| RotatedEntry { seq: *seq, data: data.map(Into::into), keep: data.is_none() })
        .collect();
    EntryBatch::new(&entries).expect("they are valid")
}

async fn rotate(store: &Store, member: &Member, entries: &[(i64, Option<&str>)]) {
    let outcome = store.rotate_entries(&member.caller, rotated(entries)).await.expect("no fault");
    assert!(matches!(outcome, RotationBatchOutcome::Stored(_)), "{outcome:?}");
}

async fn begin(store: &Store, member: &Member, envelope: u8) -> BeginOutcome {
    store.begin_rotation(&member.caller, vec![envelope], None).await.expect("no fault")
}

/// A rotation under way, with a row in every table that may hold something of it.
pub(super) async fn rotate_one_and_keep_one(store: &Store, member: &Member) {
    for data in ["one", "two", "three"] {
        push(store, member, data).await.expect("stored");
    }
    store.put_key(&member.caller, vec![1], None, None).await.expect("an envelope");
    assert_eq!(begin(store, member, 2).await, BeginOutcome::Runs(2));
    let seqs = seqs(store, member).await;
    rotate(store, member, &[(seqs[0], Some("again")), (seqs[1], None)]).await;
    assert_eq!(count(store, "rotation_replaced_entries").await, 1);
    assert_eq!(count(store, "rotation_kept_entries").await, 1);
}

async fn seqs(store: &Store, member: &Member) -> Vec<i64> {
    let entries = pull(store, &member.caller, member.device, Cursor::Start).await;
    entries.iter().map(|entry| entry.seq).collect()
}

async fn data(store: &Store, member: &Member) -> Vec<Option<String>> {
    let entries = pull(store, &member.caller, member.device, Cursor::Start).await;
    entries.into_iter().map(|entry| entry.data).collect()
}

async fn count(store: &Store, table: &'static str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    store
        .read(move |connection| Ok(connection.query_row(&sql, [], |row| row.get(0))?))
        .await
        .expect("a count")
}

async fn app_of(store: &Store, email: &str) -> Uuid {
    let name = format!("app of {email}");
    store.find_app(name).await.expect("no fault").expect("the app").id
}

#[tokio::test]
async fn what_is_put_aside_goes_seven_days_after_the_end_and_not_sooner() {
    let folder = tempfile::tempdir().expect("a folder");
    let (clock, hand) = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000).expect("a time"));
    let store = Store::open(options(folder.path()), clock, Hub::default()).expect("a store");
    let member = member(&store, "a@example.com").await;
    rotate_one_and_keep_one(&store, &member).await;
    let last = *seqs(&store, &member).await.last().expect("an entry");
    // One that runs is never too old.
    hand.advance(2 * WEEK_SECONDS);
    store.maintain().await.expect("a round");
    rotate(&store, &member, &[(last, Some("at last"))]).await;
    let completed = store.complete_rotation(&member.caller, None).await.expect("no fault");
    assert_eq!(completed, CompleteOutcome::Completed(2));
    hand.advance(WEEK_SECONDS - 1);
    store.maintain().await.expect("a round");
    assert_eq!(
        (count(&store, "rotation_replaced_entries").await, count(&store, "rotation_kept_entries").await),
        (2, 1)
    );
    hand.advance(1);
    let app = app_of(&store, "a@example.com").await;
    let too_late = store.undo_rotation("a@example.com".into(), app).await.expect("no fault");
    assert_eq!(too_late, UndoOutcome::Nothing);
    store.maintain().await.expect("a round");
    for table in ["rotation_replaced_entries", "rotation_kept_entries", "rotations"] {
        assert_eq!(count(&store, table).await, 0, "{table}");
    }
    assert_eq!(begin(&store, &member, 3).await, BeginOutcome::Runs(3));
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
}

#[tokio::test]
async fn an_undo_within_seven_days_works_until_the_last_second() {
    let folder = tempfile::tempdir().expect("a folder");
    let (clock, hand) = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000).expect("a time"));
    let store = Store::open(options(folder.path()), clock, Hub::default()).expect("a store");
    let member = member(&store, "a@example.com").await;
    rotate_one_and_keep_one(&store, &member).await;
    let last = *seqs(&store, &member).await.last().expect("an entry");
    rotate(&store, &member, &[(last, Some("at last"))]).await;
    store.complete_rotation(&member.caller, None).await.expect("no fault");
    hand.advance(WEEK_SECONDS - 1);
    let app = app_of(&store, "a@example.com").await;
    let undo = store.undo_rotation("a@example.com".into(), app).await.expect("no fault");
    assert_eq!(
        undo,
        UndoOutcome::Undone(UndoReport {
            key_version: 1,
            put_back: 2,
            left: 0,
            blob_keys_put_back: 0,
            blob_keys_left: 0
        })
    );
    let before = ["one", "two", "three"].map(|data| Some(data.to_owned()));
    assert_eq!(data(&store, &member).await, before);
}

#[tokio::test]
async fn an_undo_that_was_interrupted_holds_the_key_and_goes_on() {
    /// More than two steps of it.
    const ENTRIES: usize = 2_300;
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let member = member(&store, "a@example.com").await;
    store.put_key(&member.caller, vec![1], None, None).await.expect("an envelope");
    for number in 0..ENTRIES {
        push(&store, &member, &format!("data {number}")).await.expect("stored");
    }
    assert_eq!(begin(&store, &member, 2).await, BeginOutcome::Runs(2));
    let last = store.log_status(&member.caller).await.expect("a status").latest_cursor.seq();
    let all: Vec<_> = (2..=last).map(|seq| (seq, Some("again"))).collect();
    for some in all.chunks(500) {
        rotate(&store, &member, some).await;
    }
    store.complete_rotation(&member.caller, None).await.expect("no fault");
    let app = app_of(&store, "a@example.com").await;
    let undo = |store: &Store| {
        let store = store.clone();
        async move { store.undo_rotation("a@example.com".into(), app).await.expect("no fault") }
    };
    // What asks stops after the first look at it; nothing more is done than the steps that were taken.
    let mut asking = Box::pin(undo(&store));
    while count(&store, "rotation_replaced_entries").await == ENTRIES as i64 {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(asking.as_mut().poll(&mut context).is_pending(), "it has several steps to go");
        tokio::task::yield_now().await;
    }
    drop(asking);
    store.close().await;

    let store = open(folder.path());
    let left = count(&store, "rotation_replaced_entries").await;
    assert!(left > 0 && left < ENTRIES as i64, "{left}");
    assert_eq!(begin(&store, &member, 3).await, BeginOutcome::InProgress);
    let put = store.put_key(&member.caller, vec![4], None, None).await.expect("no fault");
    assert_eq!(put, PutKeyOutcome::RotationInProgress);
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
    let undone = UndoReport {
        key_version: 1,
        put_back: left as u64,
        left: 0,
        blob_keys_put_back: 0,
        blob_keys_left: 0,
    };
    assert_eq!(undo(&store).await, UndoOutcome::Undone(undone));
    let status = store.log_status(&member.caller).await.expect("a status");
    let bytes: usize = (0..ENTRIES).map(|number| format!("data {number}").len()).sum();
    assert_eq!((status.change_bytes, status.key_version), (bytes as u64, 1));
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
}

#[tokio::test]
async fn a_long_log_is_counted_in_steps_flushed_or_not() {
    /// More batches than one step counts, and enough that some are flushed and some are not.
    const PUSHES: usize = 2_600;
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let members = [member(&store, "a@example.com").await, member(&store, "bb@example.com").await];
    for number in 0..PUSHES {
        // The other log's batches lie between those of the first.
        let who = &members[usize::from(number % 5 == 0)];
        push(&store, who, "data").await.expect("stored");
    }
    assert!(count(&store, "batches").await > 0, "nothing is flushed, so this shows little");
    let expected = [PUSHES - PUSHES / 5, PUSHES / 5];
    for (member, expected) in members.iter().zip(expected) {
        store.put_key(&member.caller, vec![1], None, None).await.expect("an envelope");
        assert_eq!(begin(&store, member, 2).await, BeginOutcome::Runs(2));
        let rotation = store.find_keys(member.caller.log).await.expect("no fault").rotation.expect("it runs");
        assert_eq!(rotation.remaining, expected as u64);
    }
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
    // All flushed: more than one step of one log.
    store.write(1, crate::store::changes::flush_all).await.expect("flushed");
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
    let cancelled = store.cancel_rotation(&members[0].caller).await.expect("no fault");
    assert_eq!(cancelled, crate::model::rotations::CancelOutcome::Cancelled);
    assert_eq!(begin(&store, &members[0], 3).await, BeginOutcome::Runs(3));
    let log = members[0].caller.log;
    let rotation = store.find_keys(log).await.expect("no fault").rotation.expect("it runs");
    assert_eq!(rotation.remaining, expected[0] as u64);
}

#[tokio::test]
async fn a_check_finds_a_rotation_that_is_not_as_far_as_it_says() {
    const FAULTS: [(&str, &str); 4] = [
        ("UPDATE rotations SET remaining = 2", "is not as far as it says"),
        ("UPDATE rotations SET started = 0", "is not as far as it says"),
        ("DELETE FROM rotation_kept_entries", "is not as far as it says"),
        ("UPDATE rotation_replaced_entries SET seq = 77", "what a rotation replaced"),
    ];
    for (damage, told) in FAULTS {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path());
        let member = member(&store, "a@example.com").await;
        rotate_one_and_keep_one(&store, &member).await;
        assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
        store.write(1, move |tx| Ok(tx.execute(damage, [])?)).await.expect("damaged");
        let found = store.check().await.expect("a check");
        assert!(found.iter().any(|fault| fault.contains(told)), "{damage}: {found:?}");
    }
}

#[tokio::test]
async fn a_batch_that_fails_half_way_leaves_the_log_append_only_and_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let member = member(&store, "a@example.com").await;
    rotate_one_and_keep_one(&store, &member).await;
    let last = *seqs(&store, &member).await.last().expect("an entry");
    let before = data(&store, &member).await;
    // A counter that is too low cannot be lowered by what is left.
    let spoil = |remaining: i64| {
        store.write(1, move |tx| Ok(tx.execute("UPDATE rotations SET remaining = ?1", [remaining])?))
    };
    spoil(0).await.expect("spoilt");
    let failed = store.rotate_entries(&member.caller, rotated(&[(last, Some("x"))])).await;
    assert!(matches!(failed, Err(Fault::Internal(_))), "{failed:?}");
    assert_eq!(data(&store, &member).await, before);
    let rewrite = store.write(1, |tx| Ok(tx.execute("UPDATE changes SET data = 'y'", [])?)).await;
    assert!(rewrite.is_err_and(|fault| fault.to_string().contains("append-only")));
    spoil(1).await.expect("as it was");
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
    rotate(&store, &member, &[(last, Some("x"))]).await;
}
