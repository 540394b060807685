//! The formats whose cases are a line or two.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use serde_json::json;
use tidelog_client::formats::head::row_term;
use tidelog_client::formats::keys::SubKeys;
use tidelog_client::formats::padding::padme;
use tidelog_client::formats::{HeadDigest, Names, RecoveryKey, Stream, Vault};

use crate::given::{Given, Outcome, format_code, hex, recovery_code, shown_secret, shown_vault};

pub(crate) fn sub_keys(_: &str, given: &Given<'_>) -> Outcome {
    let keys = SubKeys::derive(&given.secret("master"), &given.array("vault_id"));
    Ok(json!({
        "entry": shown_secret(&keys.entry),
        "head": shown_secret(&keys.head),
        "env": shown_secret(&keys.env),
        "ring": shown_secret(&keys.ring),
        "wrap": shown_secret(&keys.wrap),
        "key_id": hex(keys.key_id),
    }))
}

pub(crate) fn padding(_: &str, given: &Given<'_>) -> Outcome {
    Ok(json!({"padded": padme(given.number("length"))}))
}

pub(crate) fn names(_: &str, given: &Given<'_>) -> Outcome {
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

pub(crate) fn head(_: &str, given: &Given<'_>) -> Outcome {
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
    Ok(json!({"head_key": shown_secret(&head_key), "terms": terms, "digest": hex(digest.to_bytes())}))
}

pub(crate) fn stream(operation: &str, given: &Given<'_>) -> Outcome {
    if operation == "write" {
        let stream = Stream::from_parts(given.array("id"), given.number("counter"), given.array("prev"));
        return Ok(json!({"bytes": hex(stream.to_bytes())}));
    }
    let stream = Stream::from_bytes(&given.bytes("bytes")).map_err(format_code)?;
    Ok(json!({"id": hex(stream.id()), "counter": stream.counter(), "prev": hex(stream.prev())}))
}

pub(crate) fn vault(operation: &str, given: &Given<'_>) -> Outcome {
    if operation == "write" {
        return Ok(json!({"bytes": hex(given.vault().to_secret_bytes())}));
    }
    let vault = Vault::from_secret_bytes(&given.bytes("bytes")).map_err(format_code)?;
    Ok(shown_vault(&vault))
}

pub(crate) fn recovery(operation: &str, given: &Given<'_>) -> Outcome {
    if operation == "read" {
        let code = RecoveryKey::parse(given.text("code")).map_err(recovery_code)?;
        return Ok(json!({"secret": shown_secret(code.secret())}));
    }
    let code = RecoveryKey::from_secret(given.secret("secret")).to_text();
    let bytes = BASE32_NOPAD.decode(code.replace('-', "").as_bytes()).unwrap();
    Ok(json!({"check_sum": hex(&bytes[33..]), "code": *code}))
}
