//! A deletion leaves nothing, table by table. A table that is new fails these tests until it has a rule here, and
//! something in it.

use std::collections::BTreeMap;

use super::*;

/// Tables that hold nothing of one user.
const SERVER_WIDE: [&str; 9] = [
    "personal_access_tokens",
    "app_branding",
    "append_only_exceptions",
    "apps",
    "epochs",
    "issuers",
    "origins",
    "redirects",
    "signing_keys",
];
/// Tables of which a part concerns users, with what finds it: what is left of it is nobody's.
const IN_PART: [(&str, &str); 2] = [
    ("audit_log", "user IS NOT NULL"),
    // Objects that wait for the next round, which deletes them.
    ("removed_objects", "removed_at > 0 AND location = 'final'"),
];
/// Those that belong to an account, and not to what it has in an app.
const OF_ACCOUNT: [&str; 8] = [
    "account_sessions",
    "audit_log",
    "authorization_codes",
    "federated_identities",
    "links",
    "recovery_codes",
    "second_factors",
    "users",
];

/// A row in each table that the operations of this test do not fill, for the one user and the one log that there are.
const ROWS: [&str; 10] = [
    "INSERT INTO second_factors (user, secret, created_at) SELECT id, randomblob(20), 1 FROM users",
    "INSERT INTO recovery_codes (user, hash) SELECT id, randomblob(32) FROM users",
    "INSERT INTO account_sessions (uuid, user, created_at, expires_at)
     SELECT randomblob(16), id, 1, 2 FROM users",
    "INSERT INTO links (uuid, hash, kind, user, uses_left, created_at, expires_at)
     SELECT randomblob(16), randomblob(32), 'reset', id, 1, 1, 2 FROM users",
    "INSERT INTO federated_identities (app, issuer, subject, user, created_at)
     SELECT app, 'issuer', 'subject', user, 1 FROM logs",
    "INSERT INTO authorization_codes (hash, app, user, redirect_uri, code_challenge, expires_at)
     SELECT randomblob(32), app, user, 'http://127.0.0.1/', randomblob(32), 2 FROM logs",
    "INSERT INTO uploads (uuid, log, session, hash, size_bytes, granted_at, expires_at)
     SELECT randomblob(16), id, randomblob(16), randomblob(32), 1, 1, 2 FROM logs",
    "INSERT INTO blobs (log, hash, object, size_bytes, verified, created_at)
     SELECT id, randomblob(32), randomblob(16), 1, 0, 1 FROM logs",
    "INSERT INTO rotation_kept_blob_keys (rotation, object) SELECT max(id), randomblob(16) FROM rotations",
    "INSERT INTO rotation_replaced_blob_keys (rotation, object, key_version, wrapped_key)
     SELECT max(id), randomblob(16), 1, randomblob(9) FROM rotations",
];

/// A user with at least one row in every table that can have one.
async fn full(folder: &Path) -> (Store, Member) {
    let store = open(folder);
    let member = member(&store, "a@example.com").await;
    push(&store, &member, "x").await.expect("stored");
    rotations::rotate_one_and_keep_one(&store, &member).await;
    store.write(1, changes::flush_all).await.expect("flushed");
    push(&store, &member, "buffered").await.expect("stored");
    let fill = |tx: &mut group::WriteTx<'_>| {
        for row in ROWS {
            tx.execute(row, [])?;
        }
        tx.execute("INSERT OR IGNORE INTO blob_totals SELECT id, 1, 1, 0 FROM logs", [])?;
        Ok(())
    };
    store.write(1, fill).await.expect("rows");
    (store, member)
}

/// How many rows each table has, of those that a rule finds.
async fn rows(store: &Store, rules: &'static [(&'static str, &'static str)]) -> BTreeMap<String, i64> {
    store
        .read(move |connection| {
            let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
            let mut statement = connection.prepare(tables)?;
            let mut counted = BTreeMap::new();
            for table in statement.query_map([], |row| row.get::<_, String>(0))? {
                let table = table?;
                let rule = rules.iter().find(|(name, _)| *name == table).map_or("true", |(_, rule)| rule);
                let count = format!("SELECT count(*) FROM {table} WHERE {rule}");
                let rows = connection.query_row(&count, [], |row| row.get(0))?;
                counted.insert(table, rows);
            }
            Ok(counted)
        })
        .await
        .expect("counts")
}

#[tokio::test]
async fn deleting_a_user_leaves_no_row_of_theirs_in_any_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _member) = full(folder.path()).await;
    let is_of_users = |table: &String| !SERVER_WIDE.contains(&table.as_str());
    let empty: Vec<_> = rows(&store, &[])
        .await
        .into_iter()
        .filter(|(table, rows)| is_of_users(table) && *rows == 0 && table != "removed_objects")
        .collect();
    assert!(
        empty.is_empty(),
        "tables without a rule, or of which the test puts nothing to the proof: {empty:?}"
    );
    assert!(store.delete_user(Actor::Operator, "a@example.com".into()).await.expect("deleted"));
    let mut left = rows(&store, &IN_PART).await;
    left.retain(|table, rows| is_of_users(table) && *rows > 0);
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn deleting_the_data_of_an_app_leaves_the_account_and_no_row_of_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, member) = full(folder.path()).await;
    store.delete_data(Actor::Server, &member.caller).await.expect("deleted");
    let mut left = rows(&store, &[("removed_objects", "removed_at > 0 AND location = 'final'")]).await;
    for table in OF_ACCOUNT {
        assert!(left.remove(table).is_some_and(|rows| rows > 0), "{table} lost what belongs to the account");
    }
    left.retain(|table, rows| !SERVER_WIDE.contains(&table.as_str()) && *rows > 0);
    assert_eq!(left.remove("removed_objects"), None);
    assert!(left.is_empty(), "{left:?}");
    let users = store.list_users().await.expect("users");
    assert_eq!(users.iter().filter_map(|user| user.email.as_deref()).collect::<Vec<_>>(), ["a@example.com"]);
    assert_eq!(users.len(), 1, "nobody stays behind");
}
