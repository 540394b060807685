//! What a client sends: each request follows from the last answer, without building anything anew.

use crate::Result;
use crate::account::Account;
use crate::cases::PAGE;
use crate::content::{DATA_BYTES, PushBody};

/// What a client does.
pub(crate) enum Work {
    /// Pushes the same changes as ever new ones.
    Push(PushBody),
    /// Pulls one log again and again.
    Pull(Pages),
}

impl Work {
    /// Pushes of this many changes.
    pub(crate) fn push(account: &Account, changes: usize) -> Result<Self> {
        let body = PushBody::new(account.device, changes, DATA_BYTES)?;
        let head = account.head("/api/sync/push", body.text().len());
        Ok(Self::Push(body.behind(&head)))
    }

    /// The next request.
    pub(crate) fn request(&mut self) -> &[u8] {
        match self {
            Self::Push(body) => body.next_batch(),
            Self::Pull(pages) => &pages.request,
        }
    }

    /// Takes the body of its answer.
    pub(crate) fn answered(&mut self, body: &[u8]) -> Result<()> {
        match self {
            Self::Push(_) => Ok(()),
            Self::Pull(pages) => pages.turn(body),
        }
    }
}

/// The pages of one log, from its start to its end and from its start again.
pub(crate) struct Pages {
    request: Vec<u8>,
    /// Bytes of the request up to its cursor.
    fixed: usize,
    looked_inside: bool,
}

/// Room for a cursor in a request; JSON allows blanks behind it.
const CURSOR_CHARS: usize = 48;
/// Bytes at the end of a page among which its cursor is.
const TAIL: usize = 128;

impl Pages {
    /// The log of this user, in the largest pages.
    pub(crate) fn of(account: &Account) -> Self {
        let start = format!(r#"{{"device_id":"{}","limit":{PAGE},"cursor":"#, account.device);
        let mut request = account.head("/api/sync/pull", start.len() + CURSOR_CHARS + 1);
        request.extend_from_slice(start.as_bytes());
        let fixed = request.len();
        request.resize(fixed + CURSOR_CHARS, b' ');
        request.push(b'}');
        let mut pages = Self { request, fixed, looked_inside: false };
        pages.go_to(b"0");
        pages
    }

    fn go_to(&mut self, cursor: &[u8]) {
        let place = &mut self.request[self.fixed..self.fixed + CURSOR_CHARS];
        place.fill(b' ');
        place[..cursor.len()].copy_from_slice(cursor);
    }

    fn turn(&mut self, body: &[u8]) -> Result<()> {
        if !self.looked_inside {
            let name = br#""seq":"#;
            let entries = body.windows(name.len()).filter(|window| window == name).count();
            if entries != PAGE {
                return Err(format!("a page has {entries} entries, not {PAGE}").into());
            }
            self.looked_inside = true;
        }
        let tail = std::str::from_utf8(&body[body.len().saturating_sub(TAIL)..])?;
        if tail.ends_with(r#""has_more":false}"#) {
            self.go_to(b"0");
            return Ok(());
        }
        let (_, cursor) = tail.rsplit_once(r#""cursor":"#).ok_or("a page without a cursor")?;
        let cursor = cursor.split(',').next().filter(|cursor| cursor.len() <= CURSOR_CHARS);
        self.go_to(cursor.ok_or("a long cursor")?.as_bytes());
        Ok(())
    }
}
