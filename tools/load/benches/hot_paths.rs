//! What a push and a pull are made of, piece by piece, so that a regression has an address.
//!
//! ```text
//! cargo bench --profile dist -p tidelog-load              # all of it, in half a minute
//! cargo bench --profile dist -p tidelog-load -- page      # what has "page" in its name
//! ```
//!
//! The load generator measures the whole; `docs/performance.md` tells what was found with either.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use tempfile::TempDir;
use tidelog::auth::access_tokens::AccessTokenSigner;
use tidelog::auth::new_signing_key;
use tidelog::clock::Clock;
use tidelog::http::changes::page::EntryPage;
use tidelog::http::changes::push::parse_valid;
use tidelog::model::changes::{Data, EntrySink, PullQuery, RowId, SpelledOp, StoredEntry};
use tidelog::model::sessions::Caller;
use tidelog_load::content::{self, DATA_BYTES, PushBody};
use tidelog_load::library::{Library, Member};
use tidelog_protocol::{Cursor, CursorFormat, Timestamp};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Changes in a page.
const PAGE: usize = 500;

fn main() {
    divan::main();
}

/// A database with one member and no server in front of it.
struct Scene {
    runtime: Runtime,
    library: Library,
    member: Member,
    _folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = Runtime::new().expect("a runtime");
        let library = runtime.block_on(Library::open(folder.path())).expect("a store");
        let member = runtime.block_on(library.member("mia@example.com")).expect("a member");
        Self { runtime, library, member, _folder: folder }
    }

    /// With a page's worth of changes, written so many at a time.
    fn with_a_page(changes_per_push: usize) -> Self {
        let scene = Self::new();
        for _ in 0..PAGE / changes_per_push {
            scene.runtime.block_on(scene.library.push(&scene.member, changes_per_push)).expect("stored");
        }
        scene
    }

    fn pull(&self) -> EntryPage {
        let query = PullQuery {
            device: self.member.device,
            cursor: Cursor::Number(1),
            limit: PAGE,
            tables: None,
            since_us: None,
            include_own: Some(true),
        };
        let pull = self.library.store.pull(self.member.caller.clone(), query, EntryPage::new());
        self.runtime.block_on(pull).expect("a page").1
    }
}

#[divan::bench(args = [1, 500])]
fn push_parse(bencher: Bencher<'_, '_>, changes: usize) {
    let body = PushBody::new(Uuid::new_v4(), changes, DATA_BYTES).expect("a body");
    let text = std::str::from_utf8(body.text()).expect("JSON is text");
    bencher
        .counter(ItemsCount::new(changes))
        .counter(BytesCount::of_str(text))
        .bench(|| parse_valid(black_box(text)).expect("it is valid"));
}

/// Through the writer's thread, and with its commit, which does not wait for the disk here.
#[divan::bench(args = [1, 500])]
fn push_insert(bencher: Bencher<'_, '_>, changes: usize) {
    let scene = Scene::new();
    bencher
        .counter(ItemsCount::new(changes))
        .with_inputs(|| scene.library.batch(&scene.member, changes).expect("a batch"))
        .bench_values(|batch| {
            let push = scene.library.store.push(scene.member.caller.clone(), batch);
            scene.runtime.block_on(push).expect("stored")
        });
}

/// From the database into the answer's body; the log was written so many changes at a time.
#[divan::bench(args = [1, 500])]
fn page_read(bencher: Bencher<'_, '_>, changes_per_push: usize) {
    let scene = Scene::with_a_page(changes_per_push);
    bencher.counter(ItemsCount::new(PAGE)).bench(|| scene.pull());
}

/// From memory into the answer's body.
#[divan::bench]
fn page_write(bencher: Bencher<'_, '_>) {
    let data = [7; DATA_BYTES];
    let entry = StoredEntry {
        seq: 1_234_567,
        device: Uuid::new_v4(),
        table: content::TABLE,
        op: SpelledOp::parse(content::OP).expect("an operation"),
        row_id: RowId::Uuid(Uuid::new_v4()),
        time_us: 1_773_396_000_123_456,
        key_version: 1,
        data: Data::Base64(&data),
    };
    bencher.counter(ItemsCount::new(PAGE)).bench(|| {
        let mut page = EntryPage::new();
        for _ in 0..PAGE {
            page.entry(black_box(&entry));
        }
        page
    });
}

fn tokens() -> (AccessTokenSigner, Caller) {
    let key = new_signing_key().expect("randomness");
    let caller = Caller {
        session: Uuid::new_v4(),
        user: Uuid::new_v4(),
        app: Uuid::new_v4(),
        log: 1,
        cursor_format: CursorFormat::String,
    };
    (AccessTokenSigner::new(&[key], "bench".into(), 3_600, Clock::system()), caller)
}

/// A token that has not been seen before.
#[divan::bench]
fn token_verify_first(bencher: Bencher<'_, '_>) {
    let (tokens, caller) = tokens();
    bencher
        .with_inputs(|| tokens.sign(&caller).expect("a token").0)
        .bench_values(|token| tokens.verify(&token).is_some());
}

/// A token that has been seen before.
#[divan::bench]
fn token_verify_again(bencher: Bencher<'_, '_>) {
    let (tokens, caller) = tokens();
    let (token, _) = tokens.sign(&caller).expect("a token");
    bencher.bench(|| tokens.verify(black_box(&token)).is_some());
}

#[divan::bench]
fn timestamp_read(bencher: Bencher<'_, '_>) {
    bencher.bench(|| black_box("2026-03-13T10:00:00.123456Z").parse::<Timestamp>());
}

#[divan::bench]
fn timestamp_write(bencher: Bencher<'_, '_>) {
    let time = Timestamp::from_micros(1_773_396_000_123_456).expect("a time");
    let mut out = Vec::new();
    bencher.bench_local(|| {
        out.clear();
        black_box(time).write_to(&mut out);
    });
}
