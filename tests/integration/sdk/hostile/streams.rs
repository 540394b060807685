//! Entries that are left out, repeated or put in another order.

use serde_json::json;
use tidelog_client::{Evidence, QuarantineReason};

use crate::hostile::scenario::{LEN, Reaction, Scenario, end_at, in_pages, seq_of, swap_contents, update};

async fn seqs(scenario: &Scenario) -> Vec<i64> {
    scenario.log().await.iter().map(seq_of).collect()
}

/// How readers react to a log without these entries.
async fn without(scenario: &Scenario, left_out: &'static [usize]) -> Reaction {
    let left_out: Vec<_> = seqs(scenario)
        .await
        .iter()
        .enumerate()
        .filter(|it| left_out.contains(&it.0))
        .map(|it| *it.1)
        .collect();
    scenario
        .reaction(in_pages(move |entries| entries.retain(|entry| !left_out.contains(&seq_of(entry)))))
        .await
}

#[tokio::test]
async fn a_missing_entry_in_a_stream_is_noticed() {
    let scenario = Scenario::new().await;
    let (reaction, seqs) = (without(&scenario, &[3]).await, seqs(&scenario).await);
    reaction
        .all_say(|it| matches!(it, Evidence::Missing { expected: 3, found: 4, seq, .. } if *seq == seqs[4]));
    let device_id = scenario.laptop.device.id;
    reaction.all_say(|it| *it == Evidence::OtherPast { seq: seqs[4], device_id, up_to: seqs[3] });
}

#[tokio::test]
async fn the_first_entries_of_a_stream_are_missed() {
    let scenario = Scenario::new().await;
    let (reaction, seqs) = (without(&scenario, &[0, 1]).await, seqs(&scenario).await);
    reaction
        .all_say(|it| matches!(it, Evidence::Missing { expected: 0, found: 2, seq, .. } if *seq == seqs[2]));
}

#[tokio::test]
async fn a_whole_device_is_missed() {
    let scenario = Scenario::new().await;
    let (reaction, seqs) = (without(&scenario, &[5, 6]).await, seqs(&scenario).await);
    let device_id = scenario.laptop.device.id;
    reaction.is_exactly(&[Evidence::OtherPast { seq: seqs[7], device_id, up_to: seqs[6] }]);
}

#[tokio::test]
async fn two_entries_of_one_writer_cannot_be_swapped() {
    let scenario = Scenario::new().await;
    let reaction = scenario.reaction(in_pages(|entries| swap_contents(entries, 1, 2))).await;
    let seqs = seqs(&scenario).await;
    reaction
        .all_say(|it| matches!(it, Evidence::Missing { expected: 1, found: 2, seq, .. } if *seq == seqs[1]));
    assert_eq!(reaction.quarantined(), [seqs[2]], "what came too late is not applied");
    assert_eq!(reaction.warned.quarantined[0].reason, QuarantineReason::Repeated);
}

#[tokio::test]
async fn an_entry_cannot_come_before_what_its_writer_had_seen() {
    let scenario = Scenario::new().await;
    let reaction = scenario.reaction(in_pages(|entries| swap_contents(entries, 4, 5))).await;
    let seqs = seqs(&scenario).await;
    reaction.all_say(|it| *it == Evidence::Disordered { seq: seqs[4] });
}

#[tokio::test]
async fn swapped_entries_of_two_writers_are_noticed_with_the_next_head() {
    let scenario = Scenario::new().await;
    scenario.laptop.push(vec![update("tasks", "a", 10)]).await;
    scenario.phone.push(vec![update("tasks", "a", 20)]).await;
    scenario.laptop.pull().await.unwrap();
    scenario.laptop.push(vec![update("tasks", "c", 2)]).await;
    let reaction = scenario.reaction(in_pages(|entries| swap_contents(entries, LEN, LEN + 1))).await;
    let seqs = seqs(&scenario).await;
    let device_id = scenario.laptop.device.id;
    reaction.is_exactly(&[Evidence::OtherPast { seq: seqs[LEN + 2], device_id, up_to: seqs[LEN + 1] }]);
}

#[tokio::test]
async fn an_old_value_under_a_new_seq_is_not_applied_and_is_no_evidence() {
    let scenario = Scenario::new().await;
    let last = seqs(&scenario).await[LEN - 1];
    let reaction = scenario
        .reaction(move |asked, answer| {
            in_pages(move |entries| {
                for (place, index) in [(1, 0), (2, LEN - 1), (3, 4)] {
                    let mut old = entries[index].clone();
                    old["seq"] = json!(last + place);
                    entries.push(old);
                }
            })(asked, answer);
            if asked.path == "/pull" {
                end_at(answer, last + 3);
            }
        })
        .await;
    reaction.is_exactly(&[]);
    assert_eq!(reaction.warned.changes.len(), LEN);
    assert_eq!(reaction.quarantined(), [last + 1, last + 2, last + 3]);
    assert!(reaction.warned.quarantined.iter().all(|entry| entry.reason == QuarantineReason::Repeated));
    assert_eq!(reaction.verified.quarantined, reaction.warned.quarantined);
}

#[tokio::test]
async fn an_honest_log_verifies_and_its_heads_match() {
    let scenario = Scenario::new().await;
    let reaction = scenario.reaction(|_, _| {}).await;
    reaction.is_exactly(&[]);
    assert_eq!(reaction.applied(), ["a", "b", "n", "a", "b", "c", "n", "d", "a"]);
    let report = reaction.verified;
    assert_eq!((report.entries, report.rows, report.quarantined_count), (LEN as u64, 4 - 1 + 1, 0));
    assert_eq!(report.streams.iter().map(|stream| stream.entries).sum::<u64>(), LEN as u64);
    assert!(report.heads_checked >= 2 && report.heads_unchecked == 0, "{report:?}");
}
