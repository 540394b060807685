//! Rotation: everything is re-encrypted under a new key, and no device is locked out by accident.

use tidelog_client::{
    BlockReason, ChangeOp, PasswordChange, PullFilter, Rotation, SyncKitClient, SyncKitError,
};

use tidelog_test_kit::proxy::{ExchangeOutcome, Proxy};
use tidelog_test_kit::raw::RawClient;
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE, builder, config, first_page, pull_all, task, tasks};

const ANOTHER: &str = "another passphrase altogether";

/// How many entries a new device can read, with nothing quarantined and no evidence against the server.
async fn readable_by_a_new_device(fixture: &Fixture, passphrase: &str) -> usize {
    let client = fixture.signed_in().await;
    client.setup_encryption_existing(passphrase).await.unwrap();
    let device = client.register_device("reader", "linux").await.unwrap();
    let rows = pull_all(&client, &device).await.len();
    let report = client.verify(device.id).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((client.quarantined(), client.evidence()), (0, Vec::new()));
    rows
}

async fn versions(client: &SyncKitClient, device: uuid::Uuid) -> Vec<u32> {
    let everything = PullFilter { include_own: Some(true), ..PullFilter::default() };
    let page = client.pull_page(device, 1, everything).await.unwrap();
    page.changes.iter().map(|change| change.key_version).collect()
}

#[tokio::test]
async fn a_rotation_reencrypts_every_entry_and_reports_its_progress() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    client.push(device.id, tasks(1_200)).await.unwrap();
    let mut seen = Vec::new();
    let outcome = client
        .rotate_key(PASSPHRASE, Rotation::Routine, |progress| seen.push((progress.done, progress.total)))
        .await
        .unwrap();
    assert_eq!((outcome.key_version, outcome.resealed, outcome.kept), (2, 1_200, 0));
    assert_eq!(seen, [(500, 1_200), (1_000, 1_200), (1_200, 1_200)]);
    assert!(versions(&client, device.id).await.iter().all(|version| *version == 2));
    client.push(device.id, vec![task("new")]).await.unwrap();
    assert_eq!(readable_by_a_new_device(&fixture, PASSPHRASE).await, 1_201);
}

#[tokio::test]
async fn after_a_routine_rotation_other_devices_follow_automatically() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let (pusher, phone) = fixture.device("phone").await;
    let (puller, tablet) = fixture.device("tablet").await;
    client.push(device.id, tasks(3)).await.unwrap();
    pusher.push(phone.id, vec![task("old")]).await.unwrap();
    client.rotate_key(PASSPHRASE, Rotation::Routine, |_| {}).await.unwrap();
    pusher.push(phone.id, vec![task("phone")]).await.unwrap();
    assert_eq!(pull_all(&puller, &tablet).await.len(), 5);
    assert_eq!((puller.quarantined(), puller.evidence()), (0, Vec::new()));
    assert_eq!(readable_by_a_new_device(&fixture, PASSPHRASE).await, 5);
}

#[tokio::test]
async fn after_a_compromise_other_devices_need_the_passphrase_and_keep_what_they_have_not_pushed() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let (behind, phone) = fixture.device("phone").await;
    client.push(device.id, tasks(3)).await.unwrap();
    behind.push(phone.id, vec![task("old")]).await.unwrap();
    client.rotate_key(PASSPHRASE, Rotation::Compromise, |_| {}).await.unwrap();
    let to_push = vec![task("a"), task("b")];
    for _ in 0..2 {
        let blocked = behind.push(phone.id, to_push.clone()).await;
        assert!(matches!(blocked, Err(SyncKitError::Blocked(BlockReason::PassphraseNeeded))), "{blocked:?}");
    }
    let blocked = behind.pull(phone.id, 0).await;
    assert!(matches!(blocked, Err(SyncKitError::Blocked(BlockReason::PassphraseNeeded))));
    behind.setup_encryption_existing(PASSPHRASE).await.unwrap();
    behind.push(phone.id, to_push).await.unwrap();
    assert_eq!(pull_all(&behind, &phone).await.len(), 6);
    assert_eq!(behind.evidence(), []);
    assert_eq!(readable_by_a_new_device(&fixture, PASSPHRASE).await, 6);
}

#[tokio::test]
async fn a_rotation_issues_a_recovery_key_and_voids_the_one_before() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    client.push(device.id, tasks(3)).await.unwrap();
    let old = client.create_recovery_key(PASSPHRASE).await.unwrap();
    let new = client.rotate_key(PASSPHRASE, Rotation::Compromise, |_| {}).await.unwrap().recovery_key;
    let forgetful = fixture.signed_in().await;
    assert!(matches!(forgetful.recover(&old, ANOTHER).await, Err(SyncKitError::WrongRecoveryKey)));
    forgetful.recover(&new, ANOTHER).await.unwrap();
    assert_eq!(readable_by_a_new_device(&fixture, ANOTHER).await, 3);
}

#[tokio::test]
async fn a_wrong_passphrase_starts_no_rotation() {
    let fixture = Fixture::new().await;
    let (client, _) = fixture.device("laptop").await;
    let before = RawClient::with_token_of(&fixture, &client).envelope().await;
    let wrong = client.rotate_key("wrong", Rotation::Routine, |_| {}).await;
    assert!(matches!(wrong, Err(SyncKitError::WrongPassphrase)));
    assert!(matches!(
        client.rotate_key("", Rotation::Routine, |_| {}).await,
        Err(SyncKitError::EmptyPassphrase)
    ));
    assert_eq!(RawClient::with_token_of(&fixture, &client).envelope().await, before);
}

#[tokio::test]
async fn an_interrupted_rotation_is_finished_by_another_device_which_gets_a_recovery_key_too() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let (client, device) = fixture.device("laptop").await;
    client.push(device.id, tasks(1_200)).await.unwrap();
    let unlucky = builder(config(proxy.url(), fixture.server.api_key())).retries(0);
    let unlucky = fixture.signed_in_with(unlucky).await;
    unlucky.setup_encryption_existing(PASSPHRASE).await.unwrap();
    let mut batches = 0;
    let broken = unlucky
        .rotate_key(PASSPHRASE, Rotation::Compromise, |_| {
            batches += 1;
            proxy.set_outcomes(vec![ExchangeOutcome::Refuse; usize::from(batches == 2)]);
        })
        .await;
    assert!(broken.is_err());
    // Half of the entries are under the new key, which this device cannot open by itself.
    let blocked = client.pull(device.id, 0).await;
    assert!(matches!(blocked, Err(SyncKitError::Blocked(BlockReason::PassphraseNeeded))), "{blocked:?}");
    client.setup_encryption_existing(PASSPHRASE).await.unwrap();
    assert_eq!(pull_all(&client, &device).await.len(), 1_200);
    client.push(device.id, vec![task("meanwhile")]).await.unwrap();

    let outcome = client.rotate_key(PASSPHRASE, Rotation::Routine, |_| {}).await.unwrap();
    assert_eq!(outcome.key_version, 2);
    fixture.signed_in().await.recover(&outcome.recovery_key, ANOTHER).await.unwrap();
    assert_eq!(readable_by_a_new_device(&fixture, ANOTHER).await, 1_201);
}

#[tokio::test]
async fn during_a_routine_rotation_every_device_can_read_everything() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let (client, device) = fixture.device("laptop").await;
    client.push(device.id, tasks(700)).await.unwrap();
    let unlucky =
        fixture.signed_in_with(builder(config(proxy.url(), fixture.server.api_key())).retries(0)).await;
    unlucky.setup_encryption_existing(PASSPHRASE).await.unwrap();
    let broken = unlucky
        .rotate_key(PASSPHRASE, Rotation::Routine, |_| proxy.set_outcomes([ExchangeOutcome::Refuse; 1]))
        .await;
    assert!(broken.is_err());
    assert_eq!(pull_all(&client, &device).await.len(), 700);
    assert_eq!(readable_by_a_new_device(&fixture, PASSPHRASE).await, 700);
    let changed = client.change_passphrase(PASSPHRASE, ANOTHER).await;
    assert!(matches!(changed, Err(SyncKitError::RotationInProgress)), "{changed:?}");
    let cancelled = client.cancel_rotation().await;
    assert!(matches!(cancelled, Err(SyncKitError::RotationInProgress)));
}

#[tokio::test]
async fn two_devices_that_rotate_at_the_same_time_end_up_with_one_key() {
    let fixture = Fixture::new().await;
    for (one_mode, two_mode) in [
        (Rotation::Routine, Rotation::Routine),
        (Rotation::Routine, Rotation::Compromise),
        (Rotation::Compromise, Rotation::Compromise),
    ] {
        let (one, laptop) = fixture.device("laptop").await;
        let (two, phone) = fixture.device("phone").await;
        one.push(laptop.id, tasks(600)).await.unwrap();
        let outcomes = tokio::join!(
            one.rotate_key(PASSPHRASE, one_mode, |_| {}),
            two.rotate_key(PASSPHRASE, two_mode, |_| {})
        );
        for outcome in [outcomes.0, outcomes.1] {
            // Both finished, and the slower one's recovery key may have been replaced by the faster one's.
            assert!(matches!(outcome, Ok(_) | Err(SyncKitError::KeyVersionConflict { .. })), "{outcome:?}");
        }
        two.setup_encryption_existing(PASSPHRASE).await.unwrap();
        two.push(phone.id, vec![task("after")]).await.unwrap();
        let version = *versions(&two, phone.id).await.iter().max().unwrap();
        assert!(versions(&two, phone.id).await.iter().all(|it| *it == version));
    }
    readable_by_a_new_device(&fixture, PASSPHRASE).await;
}

#[tokio::test]
async fn entries_that_do_not_open_are_kept_as_they_are() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    client.push(device.id, tasks(2)).await.unwrap();
    let junk = serde_json::json!([{ "table": "tasks", "op": "insert", "row_id": "junk",
        "timestamp": "2026-01-01T00:00:00Z", "data": "bm90IHNlYWxlZA==" }]);
    RawClient::with_token_of(&fixture, &client).push(&device, junk).await;
    let outcome = client.rotate_key(PASSPHRASE, Rotation::Compromise, |_| {}).await.unwrap();
    assert_eq!((outcome.resealed, outcome.kept), (2, 1));
    let page = first_page(&client, device.id).await;
    assert_eq!((page.changes.len(), page.quarantined.len()), (2, 1));
}

#[tokio::test]
async fn starting_over_in_the_middle_of_a_rotation_ends_it() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let (client, device) = fixture.device("laptop").await;
    client.push(device.id, tasks(700)).await.unwrap();
    let unlucky =
        fixture.signed_in_with(builder(config(proxy.url(), fixture.server.api_key())).retries(0)).await;
    unlucky.setup_encryption_existing(PASSPHRASE).await.unwrap();
    unlucky
        .rotate_key(PASSPHRASE, Rotation::Compromise, |_| proxy.set_outcomes([ExchangeOutcome::Refuse; 1]))
        .await
        .unwrap_err();
    client.start_over(ANOTHER).await.unwrap();
    client.push(device.id, tasks(2)).await.unwrap();
    let everything = pull_all(&client, &device).await;
    assert_eq!(everything.len(), 2);
    assert!(everything.iter().all(|change| change.op == ChangeOp::Insert));
}

#[tokio::test]
async fn password_and_passphrase_change_together_or_not_at_all() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    client.push(device.id, tasks(2)).await.unwrap();
    let elsewhere = fixture.signed_in().await;
    let password = fixture.server.password();
    let change = PasswordChange {
        current_password: password,
        new_password: "an entirely new password",
        current_passphrase: PASSPHRASE,
        new_passphrase: ANOTHER,
        code: None,
    };
    let wrong = PasswordChange { current_password: "wrong password", ..change };
    let refused = client.change_password_and_passphrase(wrong).await;
    assert!(matches!(refused, Err(SyncKitError::InvalidCredentials)), "{refused:?}");
    let wrong = PasswordChange { current_passphrase: "wrong", ..change };
    let refused = client.change_password_and_passphrase(wrong).await;
    assert!(matches!(refused, Err(SyncKitError::WrongPassphrase)), "{refused:?}");
    let same = PasswordChange { new_passphrase: change.new_password, ..change };
    let refused = client.change_password_and_passphrase(same).await;
    assert!(matches!(refused, Err(SyncKitError::PassphraseIsPassword)));
    fixture.signed_in().await.setup_encryption_existing(PASSPHRASE).await.unwrap();

    client.change_password_and_passphrase(change).await.unwrap();
    client.change_password_and_passphrase(change).await.unwrap();
    client.push(device.id, vec![task("after")]).await.unwrap();
    assert!(matches!(elsewhere.status().await, Err(SyncKitError::Unauthenticated)));
    let stranger = fixture.signed_out_client();
    let old = stranger.authenticate(fixture.server.email(), password).await;
    assert!(matches!(old, Err(SyncKitError::InvalidCredentials)));
    stranger.authenticate(fixture.server.email(), change.new_password).await.unwrap();
    stranger.setup_encryption_existing(ANOTHER).await.unwrap();
}

#[tokio::test]
async fn a_password_change_whose_answer_was_lost_is_confirmed_by_the_next_attempt() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let unlucky = builder(config(proxy.url(), fixture.server.api_key())).retries(0);
    let client = fixture.signed_in_with(unlucky.allow_passphrase_as_password()).await;
    let password = fixture.server.password();
    client.setup_encryption_new(password).await.unwrap();
    proxy.set_outcomes([ExchangeOutcome::Pass, ExchangeOutcome::LoseResponse]);
    let lost = client.change_password(password, "an entirely new password").await;
    assert!(matches!(lost, Err(SyncKitError::Network(_))), "{lost:?}");
    client.change_password(password, "an entirely new password").await.unwrap();
    let stranger = fixture.signed_out_client();
    stranger.authenticate(fixture.server.email(), "an entirely new password").await.unwrap();
    stranger.setup_encryption_existing("an entirely new password").await.unwrap();
}
