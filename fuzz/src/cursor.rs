//! Cursors, as text and as JSON.
//!
//! Cursors come from clients, so they are untrusted. Text and JSON must mean the same, every cursor must have one
//! form that parses to itself, and exactly the texts of the grammar below may be accepted.

use serde_json::Value;
use tidelog_protocol::{Cursor, CursorFormat, EpochTag};

/// Parses the bytes as a cursor's text, and as a JSON document.
pub fn check(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check_text(text);
    }
    check_json(bytes);
    if let Some(bits) = bytes.first_chunk() {
        let epoch = EpochTag::from_random(*bits);
        assert_eq!(epoch.as_str().parse(), Ok(epoch), "every generated tag parses");
    }
}

fn check_text(text: &str) {
    let read = text.parse::<Cursor>();
    assert_eq!(read.ok(), expected(text));
    let as_json = serde_json::to_string(text).expect("text is JSON");
    assert_eq!(serde_json::from_str::<Cursor>(&as_json).ok(), read.ok(), "JSON means what the text means");
    if let Ok(cursor) = read {
        check_forms(cursor);
    }
}

const SERDE_PRIVATE: &[u8] = b"$serde_json::private";

fn check_json(bytes: &[u8]) {
    // serde_json's `Value` interprets an object with this key; a cursor's parser does not.
    if bytes.windows(SERDE_PRIVATE.len()).any(|window| window == SERDE_PRIVATE) {
        return;
    }
    let read = serde_json::from_slice::<Cursor>(bytes);
    let document = serde_json::from_slice::<Value>(bytes);
    let wanted = match &document {
        Ok(Value::Null) => Some(Cursor::Start),
        Ok(Value::String(text)) => expected(text),
        Ok(Value::Number(number)) => number.as_i64().filter(|seq| *seq >= 0).map(Cursor::from),
        _ => None,
    };
    assert_eq!(read.as_ref().ok(), wanted.as_ref());
    if let Ok(cursor) = read {
        check_forms(cursor);
    }
}

/// What must hold for a cursor that was parsed.
fn check_forms(cursor: Cursor) {
    assert!(cursor.seq() >= 0);
    assert_eq!(cursor.to_string().parse(), Ok(cursor));
    let json = serde_json::to_string(&cursor).expect("a cursor is JSON");
    assert_eq!(serde_json::from_str::<Cursor>(&json).expect("its JSON parses"), cursor);
    match cursor {
        Cursor::Start => assert_eq!(cursor, Cursor::default()),
        Cursor::Number(seq) => assert!(seq > 0, "0 is the start, and has no second form"),
        Cursor::InEpoch { seq, epoch } => {
            assert_eq!(Cursor::formatted(seq, epoch, CursorFormat::String), cursor);
        }
    }
}

/// A second parser of the grammar: nothing, or digits up to the largest seq, then optionally a hyphen and a tag.
fn expected(text: &str) -> Option<Cursor> {
    let (digits, tag) = match text.find('-') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    if text.is_empty() {
        return Some(Cursor::Start);
    }
    if digits.is_empty() {
        return None;
    }
    let seq = digits.chars().try_fold(0_i64, |seq, digit| {
        seq.checked_mul(10)?.checked_add(i64::from(digit.is_ascii().then(|| digit.to_digit(10))??))
    })?;
    let in_tag = |letter: char| letter.is_ascii_lowercase() || ('2'..='7').contains(&letter);
    match tag {
        Some(tag) if tag.len() == EpochTag::LEN && tag.chars().all(in_tag) => {
            Some(Cursor::InEpoch { seq, epoch: tag.parse().expect("eight characters of the alphabet are a tag") })
        }
        Some(_) => None,
        None if seq == 0 => Some(Cursor::Start),
        None => Some(Cursor::Number(seq)),
    }
}
