//! Reading a case's input, and writing its output.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use tidelog_client::formats::keys::Secret;
use tidelog_client::formats::ring::Ring;
use tidelog_client::formats::{EnvelopeError, FormatError, RecoveryKeyError, Vault};

/// The output of a case, or the code of its refusal.
pub(crate) type CaseResult = Result<Value, &'static str>;

/// A case's input, or an object inside it.
pub(crate) struct CaseInput<'a>(pub(crate) &'a Value);

impl<'a> CaseInput<'a> {
    pub(crate) fn at(&self, field: &str) -> CaseInput<'a> {
        CaseInput(self.0.get(field).unwrap_or_else(|| panic!("no field {field}")))
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = CaseInput<'a>> {
        self.0.as_array().unwrap().iter().map(CaseInput)
    }

    pub(crate) fn text(&self, field: &str) -> &'a str {
        self.at(field).0.as_str().unwrap()
    }

    pub(crate) fn flag(&self, field: &str) -> bool {
        self.at(field).0.as_bool().unwrap()
    }

    pub(crate) fn number<N: TryFrom<u64>>(&self, field: &str) -> N {
        N::try_from(self.at(field).0.as_u64().unwrap()).ok().unwrap()
    }

    pub(crate) fn bytes(&self, field: &str) -> Vec<u8> {
        HEXLOWER.decode(self.text(field).as_bytes()).unwrap()
    }

    pub(crate) fn array<const N: usize>(&self, field: &str) -> [u8; N] {
        self.bytes(field).try_into().unwrap()
    }

    pub(crate) fn secret(&self, field: &str) -> Secret {
        Secret::new(self.array(field))
    }

    pub(crate) fn vault(&self) -> Vault {
        let earlier =
            self.at("earlier").each().map(|key| (key.number("key_version"), key.secret("master"))).collect();
        let ring = Ring { name_key: self.secret("name_key"), blob_root: self.secret("blob_root"), earlier };
        let (hidden_names, key_version) = (self.flag("hidden_names"), self.number("key_version"));
        Vault::from_parts(self.array("vault_id"), hidden_names, key_version, self.secret("master"), ring)
            .unwrap()
    }
}

pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

pub(crate) fn secret_json(secret: &Secret) -> String {
    hex(secret.expose())
}

pub(crate) fn vault_json(vault: &Vault) -> Value {
    let key_json =
        |(version, master): &(u32, Secret)| json!({"key_version": version, "master": secret_json(master)});
    json!({
        "vault_id": hex(vault.vault_id()),
        "key_version": vault.key_version(),
        "master": secret_json(&vault.current().master),
        "hidden_names": vault.hides_names(),
        "name_key": secret_json(vault.name_key()),
        "blob_root": secret_json(vault.blob_root()),
        "earlier": vault.ring().earlier.iter().map(key_json).collect::<Vec<_>>(),
    })
}

pub(crate) fn format_code(error: FormatError) -> &'static str {
    error.code()
}

pub(crate) fn envelope_code(error: EnvelopeError) -> &'static str {
    error.code()
}

pub(crate) fn recovery_key_code(error: RecoveryKeyError) -> &'static str {
    error.code()
}
