//! What a server can do unnoticed, and what reveals it later. These tests fail if the limits change.

use tidelog_client::{Evidence, TamperPolicy};

use crate::hostile::scenario::{Installation, LEN, Scenario, end_at, in_pages, row, seq_of, update};
use tidelog_test_kit::proxy::{JsonRequest, JsonResponse};

/// Leaves out the last two entries of the scenario's log, and lets pages end before them.
async fn hide_the_newest(scenario: &Scenario) -> (i64, i64) {
    let log = scenario.log().await;
    let (before, last) = (seq_of(&log[LEN - 3]), seq_of(&log[LEN - 1]));
    let hide = in_pages(move |entries| entries.retain(|entry| !(before + 1..=last).contains(&seq_of(entry))));
    scenario.proxy.rewrite_json(move |asked: &JsonRequest, answer: &mut JsonResponse| {
        hide(asked, answer);
        if asked.path == "/pull" {
            let newest = answer.body["changes"].as_array().unwrap().last().map_or(before, seq_of);
            end_at(answer, newest.max(before));
        }
    });
    (before, last)
}

/// A reader from whom the newest entries were withheld, and who cannot know.
async fn deceived(scenario: &Scenario) -> (Installation, tidelog_client::Cursor) {
    let reader = scenario.device("reader", TamperPolicy::Refuse).await;
    hide_the_newest(scenario).await;
    let got = reader.pull().await.unwrap();
    assert_eq!(got.changes.len(), LEN - 2);
    assert!(reader.verify().await.is_clean());
    (reader, got.cursor)
}

fn evidence_of(
    pulled: Result<crate::hostile::scenario::Pulled, tidelog_client::SyncKitError>,
) -> Vec<Evidence> {
    match pulled {
        Err(tidelog_client::SyncKitError::Tampered { evidence }) => evidence,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_hidden_newest_entry_is_noticed_with_the_next_entry_of_its_writer() {
    let scenario = Scenario::new().await;
    let (reader, cursor) = deceived(&scenario).await;
    scenario.laptop.push(vec![update("tasks", "d", 2)]).await;
    let evidence = evidence_of(reader.pull_from(cursor).await);
    assert!(matches!(evidence[0], Evidence::Missing { expected: 5, found: 7, .. }), "{evidence:?}");
}

#[tokio::test]
async fn hiding_the_newest_is_noticed_with_the_next_head_of_a_device_that_was_shown_it() {
    let scenario = Scenario::new().await;
    let (reader, cursor) = deceived(&scenario).await;
    scenario.proxy.stop_rewriting();
    scenario.phone.pull().await.unwrap();
    scenario.phone.push(vec![row("tasks", "e", 1)]).await;
    let (_, last) = hide_the_newest(&scenario).await;
    let evidence = evidence_of(reader.pull_from(cursor).await);
    assert!(matches!(evidence[..], [Evidence::OtherPast { up_to, .. }] if up_to == last), "{evidence:?}");
}

/// Leaves entries out, and claims that they were superseded.
fn say_they_were_superseded(
    seqs: Vec<i64>,
    through: i64,
) -> impl Fn(&JsonRequest, &mut JsonResponse) + Send + Sync + 'static {
    move |asked, answer| {
        let seqs = seqs.clone();
        in_pages(move |entries| entries.retain(|entry| !seqs.contains(&seq_of(entry))))(asked, answer);
        if asked.path == "/pull" {
            answer.body["compacted_through"] = through.into();
        }
    }
}

#[tokio::test]
async fn superseded_entries_that_are_declared_compacted_are_not_missed() {
    let scenario = Scenario::new().await;
    let seqs: Vec<_> = scenario.log().await.iter().map(seq_of).collect();
    let lie = say_they_were_superseded(vec![seqs[0], seqs[2], seqs[3]], seqs[6]);
    let reaction = scenario.reaction(lie).await;
    reaction.is_exactly(&[]);
    assert_eq!(reaction.applied(), ["b", "b", "c", "n", "d", "a"]);
    assert_eq!(reaction.verified.compacted_through, seqs[6]);
}

#[tokio::test]
async fn nothing_may_be_missing_beyond_what_is_declared_compacted() {
    let scenario = Scenario::new().await;
    let seqs: Vec<_> = scenario.log().await.iter().map(seq_of).collect();
    let reaction = scenario.reaction(say_they_were_superseded(vec![seqs[0], seqs[7]], seqs[3])).await;
    reaction
        .all_say(|it| matches!(it, Evidence::Missing { expected: 5, found: 6, seq, .. } if *seq == seqs[8]));
}

/// A row is gone although nothing superseded its newest entry. Earlier heads do not reveal it, since heads from
/// before compaction cannot be compared; the next one does.
#[tokio::test]
async fn a_row_that_is_falsely_declared_superseded_is_noticed_with_the_next_head() {
    let scenario = Scenario::new().await;
    let seqs: Vec<_> = scenario.log().await.iter().map(seq_of).collect();
    let gone = say_they_were_superseded(vec![seqs[2], seqs[6]], seqs[6]);
    let reader = scenario.device("reader", TamperPolicy::Refuse).await;
    scenario.proxy.rewrite_json(gone);
    let got = reader.pull().await.unwrap();
    assert_eq!(got.changes.len(), LEN - 2);
    let report = reader.verify().await;
    assert!(report.is_clean() && report.heads_checked == 0, "{report:?}");

    scenario.proxy.stop_rewriting();
    scenario.laptop.pull().await.unwrap();
    scenario.laptop.push(vec![update("tasks", "d", 2)]).await;
    let evidence = evidence_of(reader.pull_from(got.cursor).await);
    assert!(matches!(evidence[..], [Evidence::OtherPast { .. }]), "{evidence:?}");
}

/// Pulls with filters are not watched: gaps in them prove nothing.
#[tokio::test]
async fn entries_missing_behind_a_filter_are_not_noticed() {
    let scenario = Scenario::new().await;
    let reader = scenario.device("reader", TamperPolicy::Refuse).await;
    scenario.proxy.rewrite_json(in_pages(|entries| drop(entries.remove(0))));
    let tables = Some(vec!["tasks".into()]);
    let filter = tidelog_client::PullFilter { tables, ..Default::default() };
    let page = reader.client.pull_page(reader.device.id, 0, filter).await.unwrap();
    assert_eq!((page.changes.len(), page.evidence.len()), (6, 0));
}

/// A run that does not know what the one before had seen takes streams as it finds them; verifying the whole log helps.
#[tokio::test]
async fn a_client_that_starts_in_the_middle_without_state_misses_nothing_before_it() {
    let scenario = Scenario::new().await;
    let reader = scenario.device("reader", TamperPolicy::Refuse).await;
    let cursor = reader.pull().await.unwrap().cursor;
    scenario.phone.push(vec![row("tasks", "x", 1), row("tasks", "y", 1)]).await;
    let next_run = scenario.device("reader", TamperPolicy::Refuse).await;
    let first = seq_of(&scenario.log().await[LEN]);
    scenario.proxy.rewrite_json(in_pages(move |entries| entries.retain(|entry| seq_of(entry) != first)));
    assert_eq!(next_run.pull_from(cursor).await.unwrap().changes.len(), 1);
    assert!(!next_run.verify().await.is_clean());
}
