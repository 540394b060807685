//! Answers that cannot be pages: seqs that do not ascend, or are not between the two cursors. No client accepts them.

use serde_json::json;
use tidelog_client::{Cursor, Evidence, SyncKitError, TamperPolicy};

use crate::hostile::scenario::{LEN, Scenario, end_at, in_pages, refusal, row, seq_of, update};
use tidelog_test_kit::proxy::{JsonRequest, JsonResponse};

/// Under any policy, a page with this lie is not returned, and a client that refuses goes on refusing.
async fn no_page(
    scenario: &Scenario,
    lie: impl Fn(&JsonRequest, &mut JsonResponse) + Send + 'static,
) -> Evidence {
    let trusting = scenario.device("trusting", TamperPolicy::Warn).await;
    let strict = scenario.device("strict", TamperPolicy::Refuse).await;
    assert_eq!(
        scenario.device("control", TamperPolicy::Refuse).await.pull().await.unwrap().changes.len(),
        LEN
    );
    scenario.proxy.rewrite_json(lie);
    let Err(SyncKitError::Tampered { evidence }) = trusting.pull().await else { panic!("it was given out") };
    assert_eq!(refusal(&strict).await, evidence);
    assert_eq!(trusting.client.evidence(), evidence);
    let report = trusting.verify().await;
    assert_eq!(report.evidence[..1], evidence);
    scenario.proxy.stop_rewriting();
    assert_eq!(trusting.pull().await.unwrap().changes.len(), LEN);
    assert_eq!(refusal(&strict).await, evidence, "it goes on refusing");
    strict.client.reset_watch();
    assert_eq!(strict.pull().await.unwrap().changes.len(), LEN);
    evidence[0]
}

#[tokio::test]
async fn seqs_that_do_not_ascend_are_refused() {
    let scenario = Scenario::new().await;
    let seq = seq_of(&scenario.log().await[2]);
    let found = no_page(&scenario, in_pages(|entries| entries.swap(2, 3))).await;
    assert_eq!(found, Evidence::Disordered { seq });
}

#[tokio::test]
async fn a_seq_that_comes_twice_is_refused() {
    let scenario = Scenario::new().await;
    let seq = seq_of(&scenario.log().await[2]);
    let found = no_page(&scenario, in_pages(move |entries| entries[3]["seq"] = json!(seq))).await;
    assert_eq!(found, Evidence::Disordered { seq });
}

#[tokio::test]
async fn an_entry_beyond_the_cursor_is_refused() {
    let scenario = Scenario::new().await;
    let log = scenario.log().await;
    let (last, before) = (seq_of(&log[LEN - 1]), seq_of(&log[LEN - 2]));
    let lie = move |asked: &JsonRequest, answer: &mut JsonResponse| {
        if asked.path == "/pull" {
            end_at(answer, before);
        }
    };
    assert_eq!(no_page(&scenario, lie).await, Evidence::Disordered { seq: last });
}

/// Otherwise a server could lead a client back to old values.
#[tokio::test]
async fn a_cursor_that_goes_backwards_is_refused() {
    let scenario = Scenario::new().await;
    let reader = scenario.device("reader", TamperPolicy::Warn).await;
    let cursor = reader.pull().await.unwrap().cursor;
    let third = seq_of(&scenario.log().await[2]);
    scenario.proxy.rewrite_json(move |_, answer| end_at(answer, third));
    let led_back = reader.client.pull(reader.device.id, cursor).await;
    assert!(matches!(led_back, Err(SyncKitError::Tampered { .. })), "{led_back:?}");
    scenario.proxy.stop_rewriting();
    assert_eq!(reader.pull_from(cursor).await.unwrap().changes, []);
}

/// A client that accepted it would skip what others wrote, and could not notice.
#[tokio::test]
async fn the_cursor_of_a_push_never_skips_what_others_wrote() {
    let scenario = Scenario::new().await;
    let reader = scenario.device("reader", TamperPolicy::Warn).await;
    let seen = reader.pull().await.unwrap().cursor;
    scenario.phone.push(vec![row("tasks", "hidden", 1)]).await;
    scenario.proxy.rewrite_json(|asked, answer| {
        if asked.path == "/push" {
            end_at(answer, i64::MAX);
        }
    });
    let cursor = reader.push(vec![row("tasks", "mine", 1)]).await;
    assert_eq!(cursor, seen);
    scenario.proxy.stop_rewriting();
    assert_eq!(reader.pull_from(cursor).await.unwrap().changes.len(), 1);
}

/// An honest server returns the end of the batch to a device that has seen everything before it.
#[tokio::test]
async fn entries_skipped_by_the_cursor_of_a_push_are_noticed() {
    let scenario = Scenario::new().await;
    let reader = scenario.device("reader", TamperPolicy::Warn).await;
    reader.pull().await.unwrap();
    scenario.phone.push(vec![row("tasks", "hidden", 1)]).await;
    scenario.proxy.rewrite_json(|asked, answer| {
        if asked.path == "/push" {
            let last_seq = answer.body["last_seq"].as_i64().unwrap();
            end_at(answer, last_seq);
        }
    });
    let cursor = reader.push(vec![row("tasks", "mine", 1)]).await;
    scenario.proxy.stop_rewriting();
    scenario.phone.push(vec![update("tasks", "hidden", 2)]).await;
    let got = reader.pull_from(cursor).await.unwrap();
    assert!(matches!(got.evidence[..], [Evidence::Missing { .. }, ..]), "{got:?}");
}

#[tokio::test]
async fn the_cursor_of_a_push_never_goes_backwards() {
    let scenario = Scenario::new().await;
    let reader = scenario.device("reader", TamperPolicy::Warn).await;
    let seen = reader.pull().await.unwrap().cursor;
    let third = seq_of(&scenario.log().await[2]);
    scenario.proxy.rewrite_json(move |asked, answer| {
        if asked.path == "/push" {
            end_at(answer, third);
        }
    });
    let cursor = reader.push(vec![row("tasks", "mine", 1)]).await;
    assert!(cursor.seq() >= seen.seq());
}

#[tokio::test]
async fn an_impossible_last_seq_does_no_harm() {
    for last_seq in [i64::MAX, i64::MIN, 0, -1] {
        let scenario = Scenario::new().await;
        let reader = scenario.device("reader", TamperPolicy::Warn).await;
        reader.pull().await.unwrap();
        scenario.proxy.rewrite_json(move |asked, answer| {
            if asked.path == "/push" {
                answer.body["last_seq"] = json!(last_seq);
            }
        });
        reader.push(vec![row("tasks", "mine", 1), row("tasks", "too", 1)]).await;
        scenario.proxy.stop_rewriting();
        assert_eq!(reader.pull_from(Cursor::Start).await.unwrap().evidence, []);
    }
}

#[tokio::test]
async fn a_cursor_at_the_largest_seq_does_no_harm() {
    let scenario = Scenario::new().await;
    let reader = scenario.device("reader", TamperPolicy::Warn).await;
    scenario.proxy.rewrite_json(|asked, answer| {
        if asked.path == "/pull" {
            end_at(answer, i64::MAX);
        }
    });
    let far = reader.pull().await.unwrap().cursor;
    // The real server does not know this position, so the proxy answers.
    scenario.proxy.rewrite_json(move |asked, answer| {
        if asked.path == "/pull" {
            answer.status = 200;
            answer.body = json!({ "changes": [], "cursor": far, "has_more": false });
        }
    });
    assert_eq!(reader.pull_from(far).await.unwrap().changes, []);
    reader.push(vec![row("tasks", "mine", 1)]).await;
}
