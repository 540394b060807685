//! Sealing a vault into an envelope and opening it.

use tidelog_client::formats::{
    EnvelopeError, KdfCost, Malformed, RecoveryKey, Rotation, SlotKind, SlotPlan, Unlock, Vault,
    open_envelope, open_envelope_with_previous, open_envelope_with_recovery, seal_envelope,
    seal_envelope_with,
};

const CHEAP: KdfCost = KdfCost::MIN;

#[test]
fn a_passphrase_opens_its_envelope_and_another_one_does_not() {
    let vault = Vault::generate().unwrap();
    let envelope = seal_envelope(&vault, "Grüße", CHEAP, 3).unwrap();
    let opened = open_envelope(&envelope, "Gru\u{308}ße").unwrap();
    assert_eq!(opened.vault, vault);
    assert_eq!(opened.wrap_no, 3);
    assert_eq!(open_envelope(&envelope, "grüße").unwrap_err(), EnvelopeError::WrongPassphrase);
}

#[test]
fn a_recovery_key_opens_its_envelope_however_it_is_typed() {
    let vault = Vault::generate_with_hidden_names().unwrap();
    let code = RecoveryKey::generate().unwrap();
    let envelope = seal_envelope_with(&vault, &[SlotPlan::Wrap(Unlock::Recovery(&code), CHEAP)], 0).unwrap();
    let typed = RecoveryKey::parse(&code.to_text().to_lowercase().replace('-', " ")).unwrap();
    let opened = open_envelope_with_recovery(&envelope, &typed).unwrap();
    assert_eq!(opened.vault, vault);
    assert!(opened.vault.hides_names());
    let other = RecoveryKey::generate().unwrap();
    assert_eq!(open_envelope_with_recovery(&envelope, &other).unwrap_err(), EnvelopeError::WrongRecoveryKey);
    assert_eq!(open_envelope(&envelope, "any").unwrap_err(), EnvelopeError::NoSlot(SlotKind::Passphrase));
}

#[test]
fn a_new_passphrase_keeps_the_recovery_key_valid() {
    let vault = Vault::generate().unwrap();
    let code = RecoveryKey::generate().unwrap();
    let plan =
        [SlotPlan::Wrap(Unlock::Recovery(&code), CHEAP), SlotPlan::Wrap(Unlock::Passphrase("old"), CHEAP)];
    let opened = open_envelope(&seal_envelope_with(&vault, &plan, 0).unwrap(), "old").unwrap();
    let plan =
        [SlotPlan::Wrap(Unlock::Passphrase("new"), CHEAP), SlotPlan::Keep(&opened, SlotKind::Recovery)];
    let rewrapped = seal_envelope_with(&opened.vault, &plan, opened.wrap_no + 1).unwrap();
    assert_eq!(open_envelope(&rewrapped, "old").unwrap_err(), EnvelopeError::WrongPassphrase);
    assert_eq!(open_envelope(&rewrapped, "new").unwrap().vault, vault);
    assert_eq!(open_envelope_with_recovery(&rewrapped, &code).unwrap().vault, vault);
}

#[test]
fn a_slot_of_another_key_cannot_be_carried_over() {
    let old = Vault::generate().unwrap();
    let code = RecoveryKey::generate().unwrap();
    let envelope = seal_envelope_with(&old, &[SlotPlan::Wrap(Unlock::Recovery(&code), CHEAP)], 0).unwrap();
    let opened = open_envelope_with_recovery(&envelope, &code).unwrap();
    let new = old.rotated(Rotation::Routine).unwrap();
    let error = seal_envelope_with(&new, &[SlotPlan::Keep(&opened, SlotKind::Recovery)], 0).unwrap_err();
    assert_eq!(error, EnvelopeError::ForeignSlot);
    let error = seal_envelope_with(&old, &[SlotPlan::Keep(&opened, SlotKind::Passphrase)], 0).unwrap_err();
    assert_eq!(error, EnvelopeError::NoSlot(SlotKind::Passphrase));
}

#[test]
fn a_device_follows_a_routine_rotation_by_itself() {
    let old = Vault::generate().unwrap();
    let new = old.rotated(Rotation::Routine).unwrap();
    let envelope = seal_envelope_with(&new, &[SlotPlan::Wrap(Unlock::Previous(&old), CHEAP)], 0).unwrap();
    let followed = open_envelope_with_previous(&envelope, &old).unwrap().vault;
    assert_eq!(followed, new);
    assert_eq!(followed.master(1).unwrap().master, old.current().master);
    assert_eq!(open_envelope_with_previous(&envelope, &new).unwrap_err(), EnvelopeError::WrongPreviousKey);
}

#[test]
fn a_link_from_another_vault_is_refused() {
    let (vault, other) = (Vault::generate().unwrap(), Vault::generate().unwrap());
    let error =
        seal_envelope_with(&vault, &[SlotPlan::Wrap(Unlock::Previous(&other), CHEAP)], 0).unwrap_err();
    assert_eq!(error, EnvelopeError::ForeignSlot);
}

#[test]
fn an_envelope_has_at_most_one_slot_of_each_kind_and_at_least_one() {
    let vault = Vault::generate().unwrap();
    let code = RecoveryKey::generate().unwrap();
    let recovery = SlotPlan::Wrap(Unlock::Recovery(&code), CHEAP);
    let error = seal_envelope_with(&vault, &[recovery, recovery], 0).unwrap_err();
    assert_eq!(error, EnvelopeError::Malformed(Malformed::SlotOrder));
    assert_eq!(
        seal_envelope_with(&vault, &[], 0).unwrap_err(),
        EnvelopeError::Malformed(Malformed::SlotCount)
    );
}

#[test]
fn costs_outside_the_range_are_refused_and_its_bounds_are_not() {
    let cost = |m_kib, t, p| KdfCost { m_kib, t, p }.is_accepted();
    assert!(cost(19_456, 2, 1) && cost(262_144, 10, 4) && KdfCost::default().is_accepted());
    for (m_kib, t, p) in
        [(19_455, 2, 1), (262_145, 2, 1), (19_456, 1, 1), (19_456, 11, 1), (19_456, 2, 0), (19_456, 2, 5)]
    {
        assert!(!cost(m_kib, t, p), "{m_kib} {t} {p}");
    }
    assert_eq!(KdfCost::default(), KdfCost { m_kib: 65_536, t: 3, p: 1 });
}

#[test]
fn a_full_ring_fits_and_drops_the_oldest_key() {
    let mut vault = Vault::generate().unwrap();
    for _ in 0..70 {
        vault = vault.rotated(Rotation::Routine).unwrap();
    }
    assert!(vault.master(6).is_none() && vault.master(7).is_some());
    let code = RecoveryKey::generate().unwrap();
    let plan = [
        SlotPlan::Wrap(Unlock::Passphrase("p"), CHEAP),
        SlotPlan::Wrap(Unlock::Recovery(&code), CHEAP),
        SlotPlan::Wrap(Unlock::Previous(&vault), CHEAP),
    ];
    let envelope = seal_envelope_with(&vault, &plan, 0).unwrap();
    assert!(envelope.len() <= 3_072);
    assert_eq!(open_envelope_with_recovery(&envelope, &code).unwrap().vault, vault);
}
