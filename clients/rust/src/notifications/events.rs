//! Server-sent events, as far as Tidelog's streams use them: names, ids, the hint when to come back, and comments as signs of
//! life. By the WHATWG's description of the format.
//!
//! Own code, since what there is keeps an endless line for ever: here a line is bounded, and its data is not kept at all.

use std::time::Duration;

/// Bytes of a line, at most. Those of a server are far shorter.
pub(super) const MAX_LINE_BYTES: usize = 4 * 1024;

/// What a server has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A comment: it lives.
    Comment,
    /// An event, with the last id that was given by then.
    Event { name: String, id: Option<String> },
    /// How long to wait before coming back.
    Retry(Duration),
}

/// A line that has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Reads events out of bytes as they come.
#[derive(Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    /// The byte before was a carriage return, which ends a line together with a line feed that follows.
    after_return: bool,
    begun: bool,
    name: String,
    has_data: bool,
    id: Option<String>,
}

impl Parser {
    /// Adds what has come, and gives what was said by it.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Said>, TooLong> {
        let mut said = Vec::new();
        for byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\r' | b'\n' => said.extend(self.end_line()),
                _ if self.line.len() == MAX_LINE_BYTES => return Err(TooLong),
                _ => self.line.push(*byte),
            }
        }
        Ok(said)
    }

    fn end_line(&mut self) -> Option<Said> {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            return self.dispatch();
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => return Some(Said::Comment),
            "event" => value.clone_into(&mut self.name),
            "data" => self.has_data = true,
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                return value.parse().ok().map(|millis| Said::Retry(Duration::from_millis(millis)));
            }
            _ => {}
        }
        None
    }

    /// An empty line ends an event; one without data is none.
    fn dispatch(&mut self) -> Option<Said> {
        let name = std::mem::take(&mut self.name);
        let has_data = std::mem::take(&mut self.has_data);
        has_data.then(|| Said::Event { name, id: self.id.clone() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &str) -> Vec<Said> {
        Parser::default().feed(text.as_bytes()).unwrap()
    }

    fn event(name: &str, id: Option<&str>) -> Said {
        Said::Event { name: name.into(), id: id.map(Into::into) }
    }

    #[test]
    fn events_comments_and_hints_are_read() {
        let stream = "\u{feff}retry: 3000\n\n: heartbeat\n\nid: 7-abc\nevent: changed\ndata: {}\n\nevent:keys\ndata\n\n";
        let said = [
            Said::Retry(Duration::from_secs(3)),
            Said::Comment,
            event("changed", Some("7-abc")),
            event("keys", Some("7-abc")),
        ];
        assert_eq!(whole(stream), said);
        assert_eq!(whole(&stream.replace('\n', "\r\n")), said);
        assert_eq!(whole(&stream.replace('\n', "\r")), said);
    }

    #[test]
    fn what_is_not_known_or_not_finished_is_no_event() {
        assert_eq!(whole("event: changed\n\nfoo: bar\nretry: soon\nid: a\0b\n\ndata: {}\n"), []);
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut parser = Parser::default();
        let endless = vec![b'x'; MAX_LINE_BYTES + 1];
        assert_eq!(parser.feed(&endless), Err(TooLong));
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
            let mut parser = Parser::default();
            let mut said = Vec::new();
            for pair in cuts.windows(2) {
                said.extend(parser.feed(&text.as_bytes()[pair[0]..pair[1]]).unwrap());
            }
            prop_assert_eq!(said, whole(&text));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Parser::default().feed(&bytes);
        }
    }
}
