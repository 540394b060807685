//! What must be true in the end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use tidelog_client::replica::rusqlite::Connection;
use tidelog_client::replica::rusqlite::types::ValueRef;
use tidelog_client::replica::{Problem, ProblemKind};
use tidelog_client::{ChangeOp, Cursor, PullFilter};

use crate::convergence::device::Device;
use crate::convergence::model::{Name, Snapshot, snapshot};
use crate::convergence::schema::{Schema, Table};

/// The rows that all devices have, none of which breaks a rule.
pub(crate) async fn common_rows(devices: &[Device], schema: &Schema) -> Snapshot {
    let rows = snapshot(devices[0].app(), schema);
    for device in devices {
        let (name, app) = (&device.name, device.app());
        assert_same(&rows, &snapshot(app, schema), name);
        assert_eq!(first_column(app, "PRAGMA integrity_check"), ["ok"], "{name}");
        assert_eq!(first_column(app, "PRAGMA foreign_key_check"), [] as [&str; 0], "{name}");
        assert_eq!(device.replica().unsent().await.unwrap(), 0, "{name}");
        let problems = device.replica().problems().await.unwrap();
        let is_bad = |problem: &&Problem| problem.kind != ProblemKind::RemovedByConstraint;
        assert_eq!(problems.iter().find(is_bad), None, "{name}");
    }
    rows
}

/// Rows that gave way to others, by what the devices report.
pub(crate) async fn gave_way(devices: &[Device]) -> BTreeSet<Name> {
    let mut rows = BTreeSet::new();
    for device in devices {
        let problems = device.replica().problems().await.unwrap();
        let gone = problems.into_iter().filter(|problem| problem.kind == ProblemKind::RemovedByConstraint);
        rows.extend(gone.map(|problem| (problem.table, problem.row)));
    }
    rows
}

/// Shows only where they differ.
fn assert_same(first: &Snapshot, other: &Snapshot, name: &str) {
    let missing: Vec<_> = first.iter().filter(|(row, content)| other.get(*row) != Some(*content)).collect();
    let surplus: Vec<_> = other.iter().filter(|(row, content)| first.get(*row) != Some(*content)).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "the first device has {missing:#?}, {name} {surplus:#?}"
    );
}

fn first_column(app: &Connection, sql: &str) -> Vec<String> {
    let mut statement = app.prepare(sql).unwrap();
    let texts = statement.query_map([], |row| row.get(0)).unwrap();
    texts.collect::<Result<_, _>>().unwrap()
}

/// The times of all entries of each row, by a client that knows nothing of replicas, which finds the same rows in the log.
pub(crate) async fn log_of(device: &Device, schema: &Schema, rows: &Snapshot) -> BTreeMap<Name, Vec<i64>> {
    // Whoever had nothing to send or to read may have slept through a rotation.
    device.enter_passphrase().await;
    let client = device.plain_client().await;
    let (mut newest, mut times, mut cursor) =
        (BTreeMap::<Name, Value>::new(), BTreeMap::<Name, Vec<i64>>::new(), Cursor::Start);
    loop {
        let filter = PullFilter { include_own: Some(true), ..PullFilter::default() };
        let page = client.pull_page(device.id, cursor, filter).await.unwrap();
        assert_eq!(page.quarantined, []);
        for change in page.changes {
            let name = (change.entry.table, change.entry.row_id);
            times.entry(name.clone()).or_default().push(change.entry.timestamp.timestamp_micros());
            if change.entry.op == ChangeOp::Delete {
                newest.remove(&name);
            } else {
                newest.insert(name, without_stamps(change.entry.data.unwrap()));
            }
        }
        cursor = page.cursor;
        if !page.has_more {
            break;
        }
    }
    assert_eq!(
        newest.keys().collect::<Vec<_>>(),
        rows.keys().collect::<Vec<_>>(),
        "rows in the log and in the tables"
    );
    for table in &schema.tables {
        for (name, row) in rows_as_json(device.app(), table) {
            assert_eq!(newest[&name], row, "{name:?}");
        }
    }
    times
}

fn without_stamps(mut data: Value) -> Value {
    data.as_object_mut().unwrap().remove("$at");
    data
}

fn rows_as_json(app: &Connection, table: &Table) -> Vec<(Name, Value)> {
    let sql = format!("SELECT {}, * FROM {}", table.key_sql(), table.name);
    let mut statement = app.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| {
        let cell = |(at, name): (usize, &String)| Ok((name.clone(), as_json(row.get_ref(at + 1)?)));
        let names = table.columns.iter().map(|column| &column.name);
        let fields = names
            .enumerate()
            .map(cell)
            .collect::<Result<Map<_, _>, tidelog_client::replica::rusqlite::Error>>()?;
        Ok(((table.name.clone(), row.get(0)?), Value::Object(fields)))
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

fn as_json(cell: ValueRef<'_>) -> Value {
    match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => json!(number),
        ValueRef::Real(number) => json!(number),
        ValueRef::Text(text) => json!(std::str::from_utf8(text).unwrap()),
        ValueRef::Blob(bytes) => json!({ "$blob": data_encoding::BASE64.encode(bytes) }),
    }
}

/// The devices of an honest server have nothing to complain of.
pub(crate) async fn no_alarm(device: &Device) {
    device.enter_passphrase().await;
    let report = device.client.verify(device.id).await.unwrap();
    assert!(report.is_clean(), "{}: {report:?}", device.name);
    assert_eq!(device.client.evidence(), [], "{}", device.name);
}

pub(crate) async fn unsent(devices: &[Device]) -> Vec<u64> {
    let mut unsent = Vec::new();
    for device in devices {
        unsent.push(device.replica().unsent().await.unwrap());
    }
    unsent
}
