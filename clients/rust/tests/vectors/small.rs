//! The formats whose cases take a few lines.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use serde_json::json;
use tidelog_client::formats::head::row_term;
use tidelog_client::formats::keys::SubKeys;
use tidelog_client::formats::padding::padme;
use tidelog_client::formats::{HeadDigest, Names, RecoveryKey, Stream, Vault};

use crate::case::{CaseInput, CaseResult, format_code, hex, recovery_key_code, secret_json, vault_json};

pub(crate) fn sub_keys(_: &str, given: &CaseInput<'_>) -> CaseResult {
    let keys = SubKeys::derive(&given.secret("master"), &given.array("vault_id"));
    Ok(json!({
        "entry": secret_json(&keys.entry),
        "head": secret_json(&keys.head),
        "env": secret_json(&keys.env),
        "ring": secret_json(&keys.ring),
        "wrap": secret_json(&keys.wrap),
        "key_id": hex(keys.key_id),
    }))
}

pub(crate) fn padding(_: &str, given: &CaseInput<'_>) -> CaseResult {
    Ok(json!({"padded": padme(given.number("length"))}))
}

pub(crate) fn names(_: &str, given: &CaseInput<'_>) -> CaseResult {
    let names = Names::new(given.text("table"), given.text("row_id"));
    let wire = names.hidden(&given.secret("name_key")).map_err(format_code)?;
    let table_mac =
        BASE32_NOPAD.decode(wire.table.strip_prefix("t_").unwrap().to_ascii_uppercase().as_bytes());
    let row_mac = BASE64URL_NOPAD.decode(wire.row_id.as_bytes());
    Ok(json!({
        "table_mac": hex(table_mac.unwrap()),
        "row_mac": hex(row_mac.unwrap()),
        "table": wire.table,
        "row_id": wire.row_id,
    }))
}

pub(crate) fn head(_: &str, given: &CaseInput<'_>) -> CaseResult {
    let head_key = SubKeys::derive(&given.secret("master"), &given.array("vault_id")).head;
    let rows: Vec<_> = given
        .at("rows")
        .each()
        .map(|row| (Names::new(row.text("table"), row.text("row_id")), row.array("link")))
        .collect();
    let mut digest = HeadDigest::default();
    let mut terms = Vec::new();
    for (names, link) in &rows {
        terms.push(hex(row_term(&head_key, names, link).map_err(format_code)?));
        digest.add(&head_key, names, link).map_err(format_code)?;
    }
    for at in given.at("removed").each() {
        let (names, link) = &rows[usize::try_from(at.0.as_u64().unwrap()).unwrap()];
        digest.remove(&head_key, names, link).map_err(format_code)?;
    }
    Ok(json!({"head_key": secret_json(&head_key), "terms": terms, "digest": hex(digest.to_bytes())}))
}

pub(crate) fn stream(operation: &str, given: &CaseInput<'_>) -> CaseResult {
    if operation == "write" {
        let stream = Stream::from_parts(given.array("id"), given.number("counter"), given.array("prev"));
        return Ok(json!({"bytes": hex(stream.to_bytes())}));
    }
    let stream = Stream::from_bytes(&given.bytes("bytes")).map_err(format_code)?;
    Ok(json!({"id": hex(stream.id()), "counter": stream.counter(), "prev": hex(stream.prev())}))
}

pub(crate) fn vault(operation: &str, given: &CaseInput<'_>) -> CaseResult {
    if operation == "write" {
        return Ok(json!({"bytes": hex(given.vault().to_secret_bytes())}));
    }
    let vault = Vault::from_secret_bytes(&given.bytes("bytes")).map_err(format_code)?;
    Ok(vault_json(&vault))
}

pub(crate) fn recovery(operation: &str, given: &CaseInput<'_>) -> CaseResult {
    if operation == "read" {
        let code = RecoveryKey::parse(given.text("code")).map_err(recovery_key_code)?;
        return Ok(json!({"secret": secret_json(code.secret())}));
    }
    let code = RecoveryKey::from_secret(given.secret("secret")).to_text();
    let bytes = BASE32_NOPAD.decode(code.replace('-', "").as_bytes()).unwrap();
    Ok(json!({"check_sum": hex(&bytes[33..]), "code": *code}))
}
