//! How values are spelled on the wire: what is read, what is written, and that both agree.

use proptest::prelude::*;
use tidelog_protocol::{
    Change, Cursor, CursorFormat, EpochTag, ErrorBody, ErrorCode, Op, PullRequest, Text, Timestamp,
};

fn cursor(json: &str) -> Option<Cursor> {
    serde_json::from_str(json).ok()
}

#[test]
fn five_spellings_mean_the_start() {
    for spelling in ["null", "\"\"", "0", "\"0\""] {
        assert_eq!(cursor(spelling), Some(Cursor::Start), "{spelling}");
    }
    let absent = r#"{"device_id":"00000000-0000-0000-0000-000000000000"}"#;
    let request: PullRequest = serde_json::from_str(absent).expect("a pull without a cursor");
    assert_eq!(request.cursor, Cursor::Start);
}

#[test]
fn what_no_server_issued_is_not_a_cursor() {
    for spelling in
        ["-1", "\"-1\"", "\"+5\"", "1.5", "\"5-\"", "\"5-short\"", "\"5-ABCDEFGH\"", "\"x\"", "true", "[]"]
    {
        assert_eq!(cursor(spelling), None, "{spelling}");
    }
    assert_eq!(cursor("18446744073709551615"), None);
    assert_eq!(cursor("\"99999999999999999999-abcdefgh\""), None);
}

#[test]
fn an_op_is_read_in_any_letter_case_and_nothing_else_is() {
    assert_eq!("INSERT".parse(), Ok(Op::Insert));
    assert_eq!("uPdAtE".parse(), Ok(Op::Update));
    assert!("upsert".parse::<Op>().is_err());
}

#[test]
fn a_timestamp_is_rounded_down_to_the_microsecond_even_before_1970() {
    let micros = |text: &str| text.parse::<Timestamp>().expect("a time").as_micros();
    assert_eq!(micros("1970-01-01T00:00:00.0000019Z"), 1);
    assert_eq!(micros("1969-12-31T23:59:59.9999991Z"), -1);
    assert_eq!(micros("2026-03-13T12:00:00+02:00"), micros("2026-03-13T10:00:00Z"));
    assert!("2026-03-13".parse::<Timestamp>().is_err());
    assert!("+12026-03-13T10:00:00Z".parse::<Timestamp>().is_err());
}

#[test]
fn text_without_escapes_is_borrowed_even_if_it_is_optional() {
    let json =
        r#"{"table":"t","op":"insert","row_id":"r","timestamp":"2026-03-13T10:00:00Z","data":"plain"}"#;
    let change: Change<'_> = serde_json::from_str(json).expect("a change");
    let data = change.data.expect("data");
    assert!(json.as_bytes().as_ptr_range().contains(&data.as_str().as_ptr()));
    let escaped: Text<'_> = serde_json::from_str(r#""a\nb""#).expect("text");
    assert_eq!(escaped.as_str(), "a\nb");
}

#[test]
fn an_unknown_code_of_a_newer_server_still_reads_as_an_error() {
    let body: ErrorBody =
        serde_json::from_str(r#"{"error":"x","code":"brand_new","extra":1}"#).expect("an error");
    assert_eq!(body.code, None);
    let body: ErrorBody = serde_json::from_str(r#"{"error":"x","code":"log_moved"}"#).expect("an error");
    assert_eq!(body.code, Some(ErrorCode::LogMoved));
}

proptest! {
    #[test]
    fn every_cursor_reads_back_as_it_was_written(seq in 1i64.., bits: [u8; 5], number: bool) {
        let format = if number { CursorFormat::Number } else { CursorFormat::String };
        let written = Cursor::formatted(seq, EpochTag::from_random(bits), format);
        let json = serde_json::to_string(&written).expect("JSON");
        prop_assert_eq!(cursor(&json), Some(written));
        prop_assert_eq!(written.to_string().parse(), Ok(written));
    }

    #[test]
    fn every_timestamp_reads_back_as_it_was_written(micros in -62_167_219_200_000_000i64..=253_402_300_799_999_999) {
        let written = Timestamp::from_micros(micros).expect("within the years 0 to 9999");
        prop_assert_eq!(written.to_string().parse(), Ok(written));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text: String) {
        let _ = text.parse::<Cursor>();
        let _ = text.parse::<Timestamp>();
        let _ = text.parse::<Op>();
    }
}
