//! Entries, with every intermediate value.

use serde_json::{Value, json};
use tidelog_client::formats::entry::{associated_data, link, seal_frame};
use tidelog_client::formats::frame::Frame;
use tidelog_client::formats::{EntryKind, Head, Names, Padding, Slot, open_entry};

use crate::case::{CaseInput, CaseResult, format_code, hex};

pub(crate) fn entry(operation: &str, given: &CaseInput<'_>) -> CaseResult {
    if operation == "seal" { seal(given) } else { open(given) }
}

fn seal(given: &CaseInput<'_>) -> CaseResult {
    let (vault, slot) = (given.at("vault").vault(), slot(&given.at("slot")));
    let payload = given.at("frame").bytes("payload");
    let mut frame = frame(&given.at("frame"), &payload);
    let padding = if given.flag("padding") { Padding::Padme } else { Padding::Off };
    let sealed =
        seal_frame(&vault, &slot, frame.clone(), padding, given.array("nonce")).map_err(format_code)?;
    let ad = associated_data(&vault, &slot, &sealed.wire).map_err(format_code)?;
    frame.names = vault.hides_names().then_some(Names::new(slot.table, slot.row_id));
    let plain = frame.encode().map_err(format_code)?;
    let mut padded = plain.clone();
    padded.resize(padding.length_of(plain.len()), 0);
    assert_eq!(link(&ad, &plain), sealed.link);
    Ok(json!({
        "wire": shown_names(&sealed.wire),
        "ad": hex(ad),
        "frame": hex(&*plain),
        "padded_frame": hex(&*padded),
        "link": hex(sealed.link),
        "data": sealed.data,
    }))
}

fn open(given: &CaseInput<'_>) -> CaseResult {
    let (vault, slot) = (given.at("vault").vault(), slot(&given.at("slot")));
    let opened = open_entry(&vault, &slot, given.text("data")).map_err(format_code)?;
    Ok(json!({
        "kind": kind_json(opened.kind),
        "stream": hex(opened.stream),
        "counter": opened.counter,
        "prev": hex(opened.prev),
        "link": hex(opened.link),
        "head": opened.head.map(|head| json!({
            "seq": head.seq, "key_version": head.key_version, "digest": hex(head.digest),
        })),
        "names": opened.names.as_ref().map(shown_names),
        "payload": hex(&*opened.payload),
    }))
}

fn slot<'a>(given: &CaseInput<'a>) -> Slot<'a> {
    Slot {
        table: given.text("table"),
        row_id: given.text("row_id"),
        op: given.text("op").parse().unwrap(),
        timestamp_us: given.at("timestamp_us").0.as_i64().unwrap(),
        key_version: given.number("key_version"),
    }
}

fn frame<'a>(given: &CaseInput<'_>, payload: &'a [u8]) -> Frame<'a> {
    let head = given.at("head");
    Frame {
        kind: [EntryKind::Value, EntryKind::Tombstone, EntryKind::Control]
            .into_iter()
            .find(|kind| kind_json(*kind) == given.text("kind"))
            .unwrap(),
        stream: given.array("stream"),
        counter: given.number("counter"),
        prev: given.array("prev"),
        head: (!head.0.is_null()).then(|| Head {
            seq: head.number("seq"),
            key_version: head.number("key_version"),
            digest: head.array("digest"),
        }),
        names: None,
        payload: payload.into(),
    }
}

fn kind_json(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Value => "value",
        EntryKind::Tombstone => "tombstone",
        EntryKind::Control => "control",
    }
}

fn shown_names(names: &Names<'_>) -> Value {
    json!({"table": names.table, "row_id": names.row_id})
}
