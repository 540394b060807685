//! What a device that knows a vault accepts from a server.

use tidelog_client::formats::{
    KdfCost, OpenedEnvelope, Pin, PinError, RecoveryKey, Rotation, SlotPlan, Unlock, Vault,
    open_envelope_with_recovery, seal_envelope_with,
};

fn opened(vault: &Vault, wrap_no: u32) -> OpenedEnvelope {
    let code = RecoveryKey::generate().unwrap();
    let plan = [SlotPlan::Wrap(Unlock::Recovery(&code), KdfCost::MIN)];
    open_envelope_with_recovery(&seal_envelope_with(vault, &plan, wrap_no).unwrap(), &code).unwrap()
}

#[test]
fn a_device_without_a_pin_accepts_any_vault_of_the_version_that_the_server_says() {
    let vault = Vault::generate().unwrap();
    let pin = Pin::accept(None, &opened(&vault, 0), 1).unwrap();
    assert_eq!(pin, Pin { vault_id: vault.vault_id(), key_version: 1, key_id: vault.key_id(), wrap_no: 0 });
    let error = Pin::accept(None, &opened(&vault, 0), 2).unwrap_err();
    assert_eq!(error, PinError::OtherVersion { server: 2, envelope: 1 });
}

#[test]
fn newer_wrappings_and_newer_keys_of_the_pinned_vault_are_accepted() {
    let vault = Vault::generate().unwrap();
    let pin = Pin::of(&opened(&vault, 5));
    assert_eq!(Pin::accept(Some(pin), &opened(&vault, 5), 1), Ok(pin));
    assert_eq!(Pin::accept(Some(pin), &opened(&vault, 6), 1).unwrap().wrap_no, 6);
    let rotated = vault.rotated(Rotation::Routine).unwrap();
    assert_eq!(Pin::accept(Some(pin), &opened(&rotated, 0), 2).unwrap().key_version, 2);
}

#[test]
fn another_vault_and_anything_older_are_refused() {
    let vault = Vault::generate().unwrap();
    let rotated = vault.rotated(Rotation::Routine).unwrap();
    let pin = Pin::of(&opened(&rotated, 5));
    let refused =
        |opened: &OpenedEnvelope| Pin::accept(Some(pin), opened, opened.vault.key_version()).unwrap_err();
    assert_eq!(refused(&opened(&Vault::generate().unwrap(), 9)), PinError::OtherVault);
    assert_eq!(refused(&opened(&vault, 9)), PinError::OlderKey);
    assert_eq!(refused(&opened(&vault.rotated(Rotation::Routine).unwrap(), 9)), PinError::OtherKey);
    assert_eq!(refused(&opened(&rotated, 4)), PinError::OlderWrap);
}
