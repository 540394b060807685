//! The audit log is kept for so long.

use super::*;
use crate::clock::MICROS_PER_SECOND;

const DAY_SECONDS: i64 = 24 * 60 * 60;

async fn actions(store: &Store) -> Vec<String> {
    let rows = store.list_audit(None, 100).await.expect("rows").expect("no user is named");
    rows.into_iter().map(|row| row.action).collect()
}

#[tokio::test]
async fn what_is_older_than_it_is_kept_is_pruned() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = Timestamp::from_micros(1_700_000_000 * MICROS_PER_SECOND).expect("a time");
    let (clock, hand) = Clock::manual(start);
    let store = Store::open(options(folder.path()), clock, Hub::default()).expect("a store");
    member(&store, "mia@example.com").await;
    let noted = actions(&store).await;
    assert!(noted.len() >= 3, "{noted:?}");
    hand.advance(89 * DAY_SECONDS);
    store.create_app(Actor::Operator, Uuid::now_v7(), "Later".into(), [99; 32]).await.expect("an app");
    store.maintain().await.expect("a round");
    assert_eq!(actions(&store).await.len(), noted.len() + 1);
    hand.advance(2 * DAY_SECONDS);
    store.maintain().await.expect("a round");
    assert_eq!(actions(&store).await, ["app_created"]);
}
