//! Servers that contradict what they have shown before, to the same client, to its next run, or to another device.

use serde_json::Value;
use tidelog_client::{
    Cursor, Evidence, PullFilter, QuarantineReason, SyncKitError, TamperPolicy, WatchState,
};

use crate::hostile::scenario::{
    Installation, LEN, Scenario, end_at, in_pages, refusal, row, seq_of, swap_contents, update,
};

const POLICIES: [TamperPolicy; 2] = [TamperPolicy::Warn, TamperPolicy::Refuse];

/// The pull of a client, under either policy, finds this.
async fn finds(reader: &Installation, from: Cursor, policy: TamperPolicy, is_it: impl Fn(&Evidence) -> bool) {
    let evidence = match (reader.pull_from(from).await, policy) {
        (Ok(got), TamperPolicy::Warn) => got.evidence,
        (Err(SyncKitError::Tampered { evidence }), TamperPolicy::Refuse) => {
            assert_eq!(refusal(reader).await, evidence);
            evidence
        }
        other => panic!("{other:?}"),
    };
    assert!(evidence.iter().any(is_it), "{evidence:?}");
}

/// The server is rolled back to the state before the last two entries.
fn rolled_back(
    log: &[Value],
) -> impl FnMut(&tidelog_test_kit::proxy::JsonRequest, &mut tidelog_test_kit::proxy::JsonResponse) + Send + 'static
{
    let last = seq_of(&log[LEN - 3]);
    move |asked, answer| {
        in_pages(move |entries| entries.retain(|entry| seq_of(entry) <= last))(asked, answer);
        if asked.path == "/pull" && answer.status == 200 {
            end_at(answer, last);
        }
    }
}

#[tokio::test]
async fn a_rolled_back_server_is_caught_by_clients_that_had_seen_more() {
    for policy in POLICIES {
        let scenario = Scenario::new().await;
        let reader = scenario.device("reader", policy).await;
        reader.pull().await.unwrap();
        assert_eq!(reader.pull().await.unwrap().evidence, []);
        scenario.proxy.rewrite_json(rolled_back(&scenario.log().await));
        let report = reader.verify().await;
        assert!(matches!(report.evidence[..], [Evidence::Withheld { known: 7, given: 5, .. }]), "{report:?}");
        finds(&reader, Cursor::Start, policy, |it| {
            matches!(it, Evidence::Withheld { known: 7, given: 5, .. })
        })
        .await;
    }
}

#[tokio::test]
async fn acknowledged_entries_cannot_be_hidden_from_their_writer() {
    for policy in POLICIES {
        let scenario = Scenario::new().await;
        let writer = scenario.device("writer", policy).await;
        writer.pull().await.unwrap();
        writer.push(vec![row("tasks", "own", 1), row("tasks", "own too", 1)]).await;
        assert_eq!(writer.pull().await.unwrap().evidence, []);
        writer.push(vec![update("tasks", "own", 2)]).await;
        let device_id = writer.device.id;
        scenario.proxy.rewrite_json(in_pages(move |entries| {
            entries.retain(|entry| entry["device_id"] != device_id.to_string());
        }));
        let report = writer.verify().await;
        assert!(matches!(report.evidence[..], [Evidence::Withheld { known: 3, given: 0, .. }]), "{report:?}");
        finds(&writer, Cursor::Start, policy, |it| {
            matches!(it, Evidence::Withheld { known: 3, given: 0, .. })
        })
        .await;
    }
}

#[tokio::test]
async fn another_entry_under_a_known_seq_is_not_applied() {
    for policy in POLICIES {
        let scenario = Scenario::new().await;
        let reader = scenario.device("reader", policy).await;
        let limit = PullFilter { limit: Some(2), ..PullFilter::default() };
        let early = reader.client.pull_page(reader.device.id, 0, limit).await.unwrap().cursor;
        reader.pull_from(early).await.unwrap();
        assert_eq!(reader.pull_from(early).await.unwrap().changes.len(), LEN - 2, "the truth, once more");

        let log = scenario.log().await;
        let (old, seq) = (log[0].clone(), seq_of(&log[LEN - 1]));
        scenario.proxy.rewrite_json(in_pages(move |entries| {
            let last = entries.last_mut().unwrap();
            *last = old.clone();
            last["seq"] = seq.into();
        }));
        if policy == TamperPolicy::Warn {
            let got = reader.pull_from(early).await.unwrap();
            assert_eq!(got.evidence, [Evidence::Replaced { seq }]);
            assert_eq!((got.changes.len(), got.quarantined.len()), (LEN - 3, 1));
            assert_eq!(got.quarantined[0].reason, QuarantineReason::Repeated);
        } else {
            finds(&reader, early, policy, |it| *it == Evidence::Replaced { seq }).await;
        }
    }
}

/// Each of two devices is shown its own branch; then a third one is shown both, or one of the two is shown the other's.
#[tokio::test]
async fn two_different_pasts_are_detected_by_a_device_that_sees_both() {
    for merged_by_third in [true, false] {
        let scenario = Scenario::new().await;
        let (laptop, phone) = (&scenario.laptop, &scenario.phone);
        let seen = laptop.pull().await.unwrap().cursor;
        phone.pull().await.unwrap();
        phone.push(vec![update("tasks", "a", 100)]).await;
        // The laptop is not shown what the phone wrote, nor the other way round.
        let phone_id = phone.device.id.to_string();
        scenario.proxy.rewrite_json(in_pages(move |entries| {
            let hidden = |entry: &Value| entry["device_id"] == *phone_id && entry["data"].is_string();
            let last = entries.iter().rposition(hidden).filter(|place| place + 1 == entries.len());
            if let Some(place) = last {
                entries.remove(place);
            }
        }));
        assert_eq!(laptop.pull_from(seen).await.unwrap().changes, []);
        laptop.push(vec![update("tasks", "c", 100)]).await;
        laptop.push(vec![update("tasks", "c", 101)]).await;
        scenario.proxy.stop_rewriting();
        let (reader, from) = if merged_by_third {
            (&scenario.device("third", TamperPolicy::Warn).await, Cursor::Start)
        } else {
            (phone, phone.pull().await.unwrap().cursor)
        };
        if merged_by_third {
            finds(reader, from, TamperPolicy::Warn, |it| matches!(it, Evidence::OtherPast { .. })).await;
        }
        let found = reader.client.evidence();
        assert!(
            found.iter().any(
                |it| matches!(it, Evidence::OtherPast { device_id, .. } if *device_id == laptop.device.id)
            ),
            "{found:?}"
        );
    }
}

/// The state of a client, as a program would store it.
fn stored(reader: &Installation) -> String {
    serde_json::to_string(&reader.client.watch_state().unwrap()).unwrap()
}

async fn restarted(
    scenario: &Scenario,
    before: &Installation,
    state: &str,
    policy: TamperPolicy,
) -> Installation {
    let after = scenario.device(&before.device.device_name, policy).await;
    assert_eq!(after.device.id, before.device.id);
    after.client.restore_watch(serde_json::from_str::<WatchState>(state).unwrap());
    after
}

#[tokio::test]
async fn the_next_run_still_notices_what_is_left_out() {
    for policy in POLICIES {
        let scenario = Scenario::new().await;
        let reader = scenario.device("reader", policy).await;
        let cursor = reader.pull().await.unwrap().cursor;
        let state = stored(&reader);
        scenario.phone.push(vec![row("tasks", "x", 1), row("tasks", "y", 1)]).await;

        let control = restarted(&scenario, &reader, &state, policy).await;
        assert_eq!(control.pull_from(cursor).await.unwrap().evidence, []);
        let reader = restarted(&scenario, &reader, &state, policy).await;
        scenario.proxy.rewrite_json(in_pages(|entries| drop(entries.remove(0))));
        finds(&reader, cursor, policy, |it| matches!(it, Evidence::Missing { expected: 2, found: 3, .. }))
            .await;
    }
}

#[tokio::test]
async fn the_next_run_still_notices_the_missing_first_entries_of_a_new_device() {
    let scenario = Scenario::new().await;
    let reader = scenario.device("reader", TamperPolicy::Warn).await;
    let cursor = reader.pull().await.unwrap().cursor;
    let state = stored(&reader);
    let new = scenario.device("new", TamperPolicy::Warn).await;
    new.push(vec![row("tasks", "x", 1), row("tasks", "y", 1)]).await;
    let reader = restarted(&scenario, &reader, &state, TamperPolicy::Warn).await;
    scenario.proxy.rewrite_json(in_pages(|entries| drop(entries.remove(0))));
    finds(&reader, cursor, TamperPolicy::Warn, |it| {
        matches!(it, Evidence::Missing { expected: 0, found: 1, .. })
    })
    .await;
}

#[tokio::test]
async fn the_next_run_still_notices_a_rolled_back_server() {
    for policy in POLICIES {
        let scenario = Scenario::new().await;
        let reader = scenario.device("reader", policy).await;
        reader.pull().await.unwrap();
        let reader = restarted(&scenario, &reader, &stored(&reader), policy).await;
        scenario.proxy.rewrite_json(rolled_back(&scenario.log().await));
        assert!(matches!(reader.verify().await.evidence[..], [Evidence::Withheld { .. }]));
        finds(&reader, Cursor::Start, policy, |it| matches!(it, Evidence::Withheld { .. })).await;
    }
}

#[tokio::test]
async fn the_next_run_does_not_apply_an_old_value_again() {
    let scenario = Scenario::new().await;
    let reader = scenario.device("reader", TamperPolicy::Warn).await;
    let cursor = reader.pull().await.unwrap().cursor;
    let state = stored(&reader);
    let old = scenario.log().await[0].clone();
    scenario.phone.push(vec![row("tasks", "x", 1)]).await;
    let reader = restarted(&scenario, &reader, &state, TamperPolicy::Warn).await;
    scenario.proxy.rewrite_json(in_pages(move |entries| {
        let seq = seq_of(&entries[0]);
        entries[0] = old.clone();
        entries[0]["seq"] = seq.into();
    }));
    let got = reader.pull_from(cursor).await.unwrap();
    assert_eq!((got.changes.len(), got.quarantined.len()), (0, 1));
    assert_eq!(got.quarantined[0].reason, QuarantineReason::Repeated);
}

/// A rebuilt view notices two swapped entries without having seen them before.
#[tokio::test]
async fn a_pull_from_the_start_notices_swapped_entries() {
    let scenario = Scenario::new().await;
    let reader = scenario.device("reader", TamperPolicy::Warn).await;
    reader.pull().await.unwrap();
    scenario.proxy.rewrite_json(in_pages(|entries| swap_contents(entries, 7, 8)));
    finds(&reader, Cursor::Start, TamperPolicy::Warn, |it| matches!(it, Evidence::Missing { .. })).await;
}
