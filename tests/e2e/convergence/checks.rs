//! What must hold at the end of a run.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use tidelog_client::replica::rusqlite::Connection;
use tidelog_client::replica::rusqlite::types::ValueRef;
use tidelog_client::replica::{Problem, ProblemKind};
use tidelog_client::{ChangeOp, Cursor, PullFilter};

use crate::convergence::device::Device;
use crate::convergence::model::{Name, Snapshot, snapshot};
use crate::convergence::schema::{Schema, Table};

/// Checks that all devices have the same rows, and that none violates a constraint; returns the rows.
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

/// The rows that the devices report as removed by a constraint.
pub(crate) async fn removed_by_constraint(devices: &[Device]) -> BTreeSet<Name> {
    let mut rows = BTreeSet::new();
    for device in devices {
        let problems = device.replica().problems().await.unwrap();
        let removed = problems.into_iter().filter(|problem| problem.kind == ProblemKind::RemovedByConstraint);
        rows.extend(removed.map(|problem| (problem.table, problem.row)));
    }
    rows
}

/// Prints only the differences.
fn assert_same(first: &Snapshot, other: &Snapshot, name: &str) {
    let missing: Vec<_> = first.iter().filter(|(row, content)| other.get(*row) != Some(*content)).collect();
    let additional: Vec<_> =
        other.iter().filter(|(row, content)| first.get(*row) != Some(*content)).collect();
    assert!(
        missing.is_empty() && additional.is_empty(),
        "the first device has {missing:#?}, {name} has {additional:#?}"
    );
}

fn first_column(app: &Connection, sql: &str) -> Vec<String> {
    let mut statement = app.prepare(sql).unwrap();
    let texts = statement.query_map([], |row| row.get(0)).unwrap();
    texts.collect::<Result<_, _>>().unwrap()
}

/// Reads the log with a plain client, checks that it contains the same rows, and returns the timestamps of all
/// entries of each row.
pub(crate) async fn log_of(device: &Device, schema: &Schema, rows: &Snapshot) -> BTreeMap<Name, Vec<i64>> {
    // A device with nothing to push or pull may have missed a rotation.
    device.enter_passphrase().await;
    let client = device.new_client().await;
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
                newest.insert(name, without_timestamps(change.entry.data.unwrap()));
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
        "the log and the tables have different rows"
    );
    for table in &schema.tables {
        for (name, row) in rows_as_json(device.app(), table) {
            assert_eq!(newest[&name], row, "{name:?}");
        }
    }
    times
}

fn without_timestamps(mut data: Value) -> Value {
    data.as_object_mut().unwrap().remove("$at");
    data
}

fn rows_as_json(app: &Connection, table: &Table) -> Vec<(Name, Value)> {
    let sql = format!("SELECT {}, * FROM {}", table.key_sql(), table.name);
    let mut statement = app.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| {
        let cell = |(index, name): (usize, &String)| Ok((name.clone(), as_json(row.get_ref(index + 1)?)));
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

/// Checks that the device has found no evidence against the server, which is honest.
pub(crate) async fn no_evidence(device: &Device) {
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
