//! The log: seqs are never reused, the counters stay right, and a log reads the same while the batch buffer is flushed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::*;
use crate::model::changes::{Data, EntrySink, PullOutcome, PullQuery, RowId, StoredEntry, write_base64};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) seq: i64,
    pub(super) op: String,
    pub(super) row_id: String,
    pub(super) data: Option<String>,
}

#[derive(Default)]
struct Entries(Vec<Entry>);

impl EntrySink for Entries {
    fn entry(&mut self, entry: &StoredEntry<'_>) -> usize {
        let mut base64 = Vec::new();
        self.0.push(Entry {
            seq: entry.seq,
            op: entry.op.as_str().into(),
            row_id: match entry.row_id {
                RowId::Uuid(id) => id.to_string(),
                RowId::Text(id) => id.into(),
            },
            data: match entry.data {
                Data::Nothing => None,
                Data::Text(data) => Some(data.into()),
                Data::Base64(bytes) => {
                    write_base64(bytes, &mut base64);
                    Some(String::from_utf8(base64).expect("base64 is text"))
                }
            },
        });
        0
    }
}

async fn answer(store: &Store, caller: &Caller, device: Uuid, cursor: Cursor) -> (PullOutcome, Vec<Entry>) {
    let query =
        PullQuery { device, cursor, limit: 500, tables: None, since_us: None, include_own: Some(true) };
    let (answer, Entries(entries)) =
        store.pull(caller.clone().into(), query, Entries::default()).await.expect("a page");
    (answer, entries)
}

pub(super) async fn pull(store: &Store, caller: &Caller, device: Uuid, cursor: Cursor) -> Vec<Entry> {
    let (answer, entries) = answer(store, caller, device, cursor).await;
    assert!(matches!(answer, PullOutcome::Page { has_more: false, .. }), "{answer:?}");
    entries
}

#[tokio::test]
async fn a_seq_is_not_reused_after_its_change_is_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let (first, second) = (member(&store, "a@example.com").await, member(&store, "bb@example.com").await);
    push(&store, &first, "x").await.expect("stored");
    push(&store, &second, "x").await.expect("stored");
    let newest = store.log_status(&second.caller).await.expect("a status").latest_cursor.seq();
    assert!(store.delete_user(Actor::Operator, "bb@example.com".into()).await.expect("deleted"));
    store.close().await;
    let store = open(folder.path());
    push(&store, &first, "y").await.expect("stored");
    let seqs: Vec<_> = pull(&store, &first.caller, first.device, Cursor::Start).await;
    assert_eq!(seqs.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [newest - 1, newest + 1]);
}

#[tokio::test]
async fn a_cursor_beyond_the_seq_that_the_writer_has_stored_is_not_a_lost_history() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let member = member(&store, "a@example.com").await;
    let Ok(PushOutcome::Stored { cursor, .. }) = push(&store, &member, "x").await else { panic!("stored") };
    // As it is between the writer's commit and its next step.
    store.shared.head.store(1, Ordering::SeqCst);
    let (page, _) = answer(&store, &member.caller, member.device, cursor).await;
    assert!(matches!(page, PullOutcome::Page { .. }), "{page:?}");
    let beyond = Cursor::Number(cursor.seq() + 1);
    let (lost, _) = answer(&store, &member.caller, member.device, beyond).await;
    assert!(matches!(lost, PullOutcome::LogRewound(_)), "{lost:?}");
}

#[tokio::test]
async fn a_check_finds_a_change_or_a_batch_that_is_not_as_it_was() {
    /// What may go wrong, and what is said of it.
    const FAULTS: [(&str, &str); 5] = [
        ("DELETE FROM changes WHERE seq = 3", "the counters of log"),
        ("UPDATE changes SET data = 'xyz' WHERE seq = 3", "the counters of log"),
        ("UPDATE changes SET log = log + 1 WHERE seq = 3", "a change without its batch"),
        ("UPDATE BATCHES SET device = -1 WHERE last_seq = 3", "a batch without its device"),
        ("UPDATE BATCHES SET first_seq = 2 WHERE last_seq = 3", "before the one before it ends"),
    ];
    for ((damage, told), flushed) in FAULTS.into_iter().flat_map(|fault| [(fault, false), (fault, true)]) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path());
        let member = member(&store, "a@example.com").await;
        push(&store, &member, "AQID").await.expect("stored");
        push(&store, &member, "not base64").await.expect("stored");
        if flushed {
            store
                .write(1, |tx| Ok(tx.execute("INSERT INTO batches SELECT * FROM buffered_batches", [])?))
                .await
                .expect("flushed");
        }
        assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
        let damage = damage.replace("BATCHES", if flushed { "batches" } else { "buffered_batches" });
        let allow = "INSERT INTO append_only_exceptions (reason) VALUES ('deletion'), ('rotation')";
        let damage = format!("{allow}; PRAGMA ignore_check_constraints = ON; {damage}");
        store.write(1, move |tx| Ok(tx.execute_batch(&damage)?)).await.expect("damaged");
        let found = store.check().await.expect("a check");
        assert!(found.iter().any(|fault| fault.contains(told)), "{told}: {found:?}");
    }
}

#[tokio::test]
async fn a_log_reads_the_same_while_its_batches_are_flushed() {
    /// Enough for several flushes, so that every stage of one is met.
    const PUSHES: usize = 7_000;
    /// From one look to the next; a prime, so that looks fall everywhere.
    const STEP: usize = 211;
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let members = [member(&store, "a@example.com").await, member(&store, "bb@example.com").await];
    let mut pushed = [Vec::new(), Vec::new()];
    for number in 0..PUSHES {
        // The first log gets three batches for each of the second.
        let who = usize::from(number % 4 == 3);
        let caller = Arc::new(members[who].caller.clone());
        let batch = batch(members[who].device, &format!("data {number}"));
        let stored = store.push(caller.clone(), batch.clone()).await.expect("stored");
        pushed[who].push((batch, stored, format!("data {number}")));
        if number % STEP != 0 {
            continue;
        }
        let pushed = &pushed[who];
        let status = store.log_status(&caller).await.expect("a status");
        assert_eq!(status.total_changes, pushed.len() as u64);
        // A page from the start, one that ends at the newest, and repeats from all over.
        let from = pushed.len().saturating_sub(400);
        let start = if from == 0 { 1 } else { seq_after(&pushed[from - 1].1) };
        let tail = pull(&store, &caller, members[who].device, Cursor::Number(start)).await;
        let expected: Vec<_> = pushed[from..].iter().map(|(.., data)| Some(data.clone())).collect();
        assert_eq!(tail.into_iter().map(|entry| entry.data).collect::<Vec<_>>(), expected, "at {number}");
        let (_, head) = answer(&store, &caller, members[who].device, Cursor::Number(1)).await;
        let expected: Vec<_> = pushed.iter().take(500).map(|(.., data)| Some(data.clone())).collect();
        assert_eq!(head.into_iter().map(|entry| entry.data).collect::<Vec<_>>(), expected, "at {number}");
        for (batch, first_answer, _) in pushed.iter().step_by(1 + pushed.len() / 20) {
            let again = store.push(caller.clone(), batch.clone()).await.expect("an answer");
            assert_eq!(&again, first_answer, "a repeat at {number}");
        }
    }
    let flushed: usize = store
        .read(|connection| Ok(connection.query_row("SELECT count(*) FROM batches", [], |row| row.get(0))?))
        .await
        .expect("a count");
    assert!(flushed > PUSHES / 2, "only {flushed} were flushed, so this shows nothing");
    assert_eq!(store.check().await.expect("a check"), Vec::<String>::new());
    // Another start finds the same.
    let expected =
        pull(&store, &members[1].caller, members[1].device, Cursor::Number(PUSHES as i64 - 900)).await;
    // Only a crash leaves something in the buffer.
    let left = copy_of(folder.path());
    store.close().await;
    assert_eq!(count_buffered(folder.path()), 0);
    let crashed = open(left.path());
    assert_eq!(crashed.check().await.expect("a check"), Vec::<String>::new());
    let found =
        pull(&crashed, &members[1].caller, members[1].device, Cursor::Number(PUSHES as i64 - 900)).await;
    assert_eq!(found, expected);
    let store = open(folder.path());
    let found =
        pull(&store, &members[1].caller, members[1].device, Cursor::Number(PUSHES as i64 - 900)).await;
    assert_eq!(found, expected);
    let (batch, answer, _) = pushed[1].last().expect("it pushed");
    let caller = Arc::new(members[1].caller.clone());
    assert_eq!(&store.push(caller, batch.clone()).await.expect("an answer"), answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_batch_buffer_stays_bounded_however_many_logs_there_are() {
    /// More logs than the buffered batches at which a flush begins, so that no two of these are of one log.
    const LOGS: usize = 2_100;
    /// A flush begins at 2,048; so many more may come before it ends.
    const MAX_ROWS: usize = 2_048 * 7 / 4;
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    store.create_app(Actor::Operator, Uuid::now_v7(), "app".into(), [0; 32]).await.expect("an app");
    let mut members = Vec::new();
    for number in 0..LOGS {
        let email = format!("{number}@example.com");
        create_user(&store, &email).await;
        let caller = sign_in(&store, &email).await;
        let device = NewDevice { name: "Laptop".into(), platform: Platform::Linux, install_id: None };
        let device = store.register_device(&caller, device, Uuid::now_v7(), 10).await.expect("a device");
        let Registration::Created(device) = device else { panic!("the device is new") };
        members.push((Arc::new(caller), device.id));
    }
    for (caller, device) in members.iter().cycle().take(4 * LOGS) {
        store.push(caller.clone(), batch(*device, "x")).await.expect("stored");
        let rows = store.shared.buffer.count_rows();
        assert!(rows <= MAX_ROWS, "{rows} batches are buffered");
    }
}

/// The files as a crash would leave them now.
fn copy_of(data: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for file in ["tidelog.db", "tidelog.db-wal"] {
        std::fs::copy(data.join(file), copy.path().join(file)).expect("a copy");
    }
    assert!(count_buffered(copy.path()) > 0, "nothing is buffered, so this shows nothing");
    copy
}

fn count_buffered(data: &Path) -> usize {
    let connection = rusqlite::Connection::open(data.join(DATABASE_FILE)).expect("the file");
    connection.query_row("SELECT count(*) FROM buffered_batches", [], |row| row.get(0)).expect("a count")
}

fn seq_after(stored: &PushOutcome) -> i64 {
    let PushOutcome::Stored { cursor, .. } = stored else { panic!("{stored:?}") };
    cursor.seq()
}
