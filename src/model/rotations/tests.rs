use super::*;

const CURRENT: KeyState = KeyState { key_version: 3, max_version_used: 3, revision: 7 };

fn running(key_version: u32, remaining: u64, started: bool) -> Keys {
    let rotation = Rotation {
        id: 1,
        phase: Phase::Running,
        encrypted_key: b"new".to_vec(),
        key_version,
        remaining,
        blobs_remaining: 0,
        started,
        began_at: 0,
    };
    let current = KeyState { max_version_used: key_version, ..CURRENT };
    Keys { current, rotation: Some(rotation) }
}

fn beginning(encrypted_key: &[u8]) -> BeginRequest<'_> {
    BeginRequest { encrypted_key, key_version: None, is_used: false }
}

#[test]
fn a_rotation_leads_to_a_number_that_no_key_ever_bore() {
    let idle = |max_version_used| Keys { current: KeyState { max_version_used, ..CURRENT }, rotation: None };
    assert_eq!(begin(&idle(3), &beginning(b"new")), Ok(4));
    assert_eq!(begin(&idle(9), &beginning(b"new")), Ok(10));
    let made_for = |key_version| BeginRequest { key_version: Some(key_version), ..beginning(b"new") };
    assert_eq!(begin(&idle(9), &made_for(10)), Ok(10));
    assert_eq!(begin(&idle(9), &made_for(4)), Err(BeginOutcome::Conflict(3)));
}

#[test]
fn only_one_rotation_runs_and_beginning_it_again_is_the_same() {
    let keys = running(4, 5, false);
    assert_eq!(begin(&keys, &beginning(b"new")), Err(BeginOutcome::Runs(4)));
    assert_eq!(begin(&keys, &beginning(b"other")), Err(BeginOutcome::InProgress));
    let mut undoing = keys;
    undoing.rotation.as_mut().expect("one").phase = Phase::Undoing;
    assert_eq!(begin(&undoing, &beginning(b"new")), Err(BeginOutcome::InProgress));
}

#[test]
fn a_late_repeat_and_a_log_without_a_key_begin_nothing() {
    let idle = Keys { current: CURRENT, rotation: None };
    let late = BeginRequest { is_used: true, ..beginning(b"new") };
    assert_eq!(begin(&idle, &late), Err(BeginOutcome::Conflict(3)));
    assert_eq!(begin(&Keys::default(), &beginning(b"new")), Err(BeginOutcome::Conflict(0)));
}

#[test]
fn a_rotation_is_completed_once_nothing_is_left_and_only_if_it_is_the_one_that_is_meant() {
    let version = |outcome: Result<&Rotation, CompleteOutcome>| outcome.map(|rotation| rotation.key_version);
    assert_eq!(version(complete(&running(4, 0, true), None)), Ok(4));
    assert_eq!(version(complete(&running(4, 0, true), Some(4))), Ok(4));
    assert_eq!(version(complete(&running(4, 1, true), Some(4))), Err(CompleteOutcome::Incomplete(1)));
    assert_eq!(version(complete(&running(4, 0, true), Some(3))), Err(CompleteOutcome::Completed(3)));
    assert_eq!(version(complete(&running(4, 0, true), Some(5))), Err(CompleteOutcome::Conflict(3)));
    let idle = Keys { current: CURRENT, rotation: None };
    assert_eq!(version(complete(&idle, Some(3))), Err(CompleteOutcome::Completed(3)));
    assert_eq!(version(complete(&idle, None)), Err(CompleteOutcome::NoRotation));
    assert_eq!(version(complete(&Keys::default(), Some(0))), Err(CompleteOutcome::NoRotation));
}

#[test]
fn a_rotation_that_has_started_cannot_be_cancelled() {
    assert!(cancel(&running(4, 2, false)).is_ok());
    assert_eq!(cancel(&running(4, 2, true)), Err(CancelOutcome::Started));
    assert_eq!(cancel(&Keys::default()), Err(CancelOutcome::NoRotation));
}

#[test]
fn entries_may_be_under_the_current_key_and_the_pending_one() {
    let open = OpenKeys { current: 3, pending: Some(5) };
    assert!(open.admit(3) && open.admit(5));
    assert!(!open.admit(4) && !open.admit(0));
    assert!(!OpenKeys { current: 3, pending: None }.admit(5));
}

#[test]
fn every_fault_of_a_batch_is_found() {
    let entry =
        |seq, data: Option<&'static str>, keep| RotatedEntry { seq, data: data.map(Into::into), keep };
    let sent = [
        entry(2, Some("AQID"), false),
        entry(3, None, true),
        entry(4, None, false),
        entry(5, Some("x"), true),
        entry(6, Some(""), false),
        entry(2, Some("y"), false),
    ];
    let faults = EntryBatch::new(&sent).expect_err("four are wrong");
    let found: Vec<_> = faults.iter().map(|fault| (fault.index, fault.field.as_str())).collect();
    assert_eq!(found, [(2, "entry"), (3, "entry"), (4, "data"), (5, "seq")]);
    let batch = EntryBatch::new(&sent[..2]).expect("two are valid");
    assert_eq!(batch.entries, [(2, EntryReplacement::Base64(vec![1, 2, 3])), (3, EntryReplacement::Kept)]);
}

#[test]
fn data_of_a_batch_has_the_bound_of_data_in_a_push() {
    let longest = "~".repeat(MAX_DATA_BYTES);
    let entry = |data: String| RotatedEntry { seq: 2, data: Some(data.into()), keep: false };
    assert!(EntryBatch::new([&entry(longest.clone())]).is_ok());
    let faults = EntryBatch::new([&entry(longest + "~")]).expect_err("too long");
    assert_eq!(faults[0].field, "data");
}

#[test]
fn a_rotation_is_not_complete_while_keys_of_blobs_are_left() {
    let mut keys = running(4, 0, true);
    keys.rotation.as_mut().expect("one").blobs_remaining = 2;
    assert_eq!(complete(&keys, Some(4)), Err(CompleteOutcome::Incomplete(2)));
    keys.rotation.as_mut().expect("one").remaining = 3;
    assert_eq!(complete(&keys, None), Err(CompleteOutcome::Incomplete(5)));
}
