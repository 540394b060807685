//! A parser for server-sent events (WHATWG), as far as Tidelog's streams use them: names, ids, the reconnection time,
//! and comments as heartbeats.
//!
//! It is our own because existing parsers buffer a line without end for ever. Here a line is bounded, and data is not
//! kept at all.

use std::time::Duration;

/// Bytes of a line, at most. Those of a real server are far shorter.
pub(super) const MAX_LINE_BYTES: usize = 4 * 1024;

/// An item of an event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SseItem {
    /// A comment, which serves as a heartbeat.
    Comment,
    /// An event, with the last id so far.
    Event { name: String, id: Option<String> },
    /// How long to wait before reconnecting.
    Retry(Duration),
}

/// A line is longer than [`MAX_LINE_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineTooLong;

/// Parses an event stream as its bytes come in.
#[derive(Default)]
pub(super) struct SseParser {
    line: Vec<u8>,
    /// The last byte was a carriage return; a line feed after it belongs to the same line end.
    after_return: bool,
    has_begun: bool,
    name: String,
    has_data: bool,
    id: Option<String>,
}

impl SseParser {
    /// Takes the next bytes, and returns the items that they complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<SseItem>, LineTooLong> {
        let mut items = Vec::new();
        for byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\r' | b'\n' => items.extend(self.end_line()),
                _ if self.line.len() == MAX_LINE_BYTES => return Err(LineTooLong),
                _ => self.line.push(*byte),
            }
        }
        Ok(items)
    }

    fn end_line(&mut self) -> Option<SseItem> {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !std::mem::replace(&mut self.has_begun, true) {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            return self.dispatch();
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => return Some(SseItem::Comment),
            "event" => value.clone_into(&mut self.name),
            "data" => self.has_data = true,
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                return value.parse().ok().map(|millis| SseItem::Retry(Duration::from_millis(millis)));
            }
            _ => {}
        }
        None
    }

    /// Ends an event at an empty line. Without data there is no event.
    fn dispatch(&mut self) -> Option<SseItem> {
        let name = std::mem::take(&mut self.name);
        let has_data = std::mem::take(&mut self.has_data);
        has_data.then(|| SseItem::Event { name, id: self.id.clone() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &str) -> Vec<SseItem> {
        SseParser::default().feed(text.as_bytes()).unwrap()
    }

    fn event(name: &str, id: Option<&str>) -> SseItem {
        SseItem::Event { name: name.into(), id: id.map(Into::into) }
    }

    #[test]
    fn events_comments_and_reconnection_times_are_parsed() {
        let stream = "\u{feff}retry: 3000\n\n: heartbeat\n\nid: 7-abc\nevent: changed\ndata: {}\n\nevent:keys\ndata\n\n";
        let items = [
            SseItem::Retry(Duration::from_secs(3)),
            SseItem::Comment,
            event("changed", Some("7-abc")),
            event("keys", Some("7-abc")),
        ];
        assert_eq!(whole(stream), items);
        assert_eq!(whole(&stream.replace('\n', "\r\n")), items);
        assert_eq!(whole(&stream.replace('\n', "\r")), items);
    }

    #[test]
    fn unknown_fields_and_unfinished_events_are_ignored() {
        assert_eq!(whole("event: changed\n\nfoo: bar\nretry: soon\nid: a\0b\n\ndata: {}\n"), []);
    }

    #[test]
    fn a_line_without_end_is_not_buffered() {
        let mut parser = SseParser::default();
        let endless = vec![b'x'; MAX_LINE_BYTES + 1];
        assert_eq!(parser.feed(&endless), Err(LineTooLong));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_bytes_are_cut(
            lines in proptest::collection::vec(
                prop_oneof!["event: [a-zß]{0,5}", "data: .{0,5}", "id: [0-9a-z-]{0,5}", ": .{0,3}", "", "retry: [0-9]{1,4}"],
                0..20,
            ),
            end in prop_oneof!["\n", "\r", "\r\n"],
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let text: String = lines.iter().flat_map(|line| [line.as_str(), &end]).collect();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut parser = SseParser::default();
            let mut items = Vec::new();
            for pair in cuts.windows(2) {
                items.extend(parser.feed(&text.as_bytes()[pair[0]..pair[1]]).unwrap());
            }
            prop_assert_eq!(items, whole(&text));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = SseParser::default().feed(&bytes);
        }
    }
}
