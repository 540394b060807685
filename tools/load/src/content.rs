//! What is pushed: changes with fresh ids, and request bodies in which only the ids change.

use data_encoding::BASE64;
use uuid::Uuid;

use crate::Result;

/// The table of every change.
pub const TABLE: &str = "tasks";
/// What every change does.
pub const OP: &str = "insert";
/// Bytes of ciphertext in a change: 300 characters of base64.
pub const DATA_BYTES: usize = 225;
/// When the changes of prepared bodies were made; any time will do.
const TIME: &str = "2026-03-13T10:00:00.123456Z";

/// Length of a UUID as text.
const ID_CHARS: usize = 36;
/// The end of an id that counts; what comes before is random, once for each body.
const COUNTER_CHARS: usize = 12;

/// `bytes` fresh random bytes in base64.
pub fn data(bytes: usize) -> Result<String> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random)?;
    Ok(BASE64.encode(&random))
}

/// A push body, ready to be sent again and again as another batch.
pub struct PushBody {
    text: Vec<u8>,
    /// Where the counting ends of its ids are: of the batch and of every row.
    places: Vec<usize>,
    counter: u64,
}

impl PushBody {
    /// Of this many changes with this many bytes of ciphertext each.
    pub fn new(device: Uuid, changes: usize, data_bytes: usize) -> Result<Self> {
        let id = Uuid::new_v4();
        let mut text = format!(r#"{{"device_id":"{device}","batch_id":"{id}"#);
        let mut places = vec![text.len() - COUNTER_CHARS];
        for index in 0..changes {
            text += if index == 0 { r#"","changes":["# } else { "," };
            text += &format!(r#"{{"table":"{TABLE}","op":"{OP}","row_id":"{id}"#);
            places.push(text.len() - COUNTER_CHARS);
            text += &format!(r#"","timestamp":"{TIME}","data":"{}"}}"#, data(data_bytes)?);
        }
        text += "]}";
        Ok(Self { text: text.into_bytes(), places, counter: 0 })
    }

    /// As it is.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The same with this in front of it.
    pub fn behind(mut self, head: &[u8]) -> Self {
        self.text.splice(..0, head.iter().copied());
        self.places.iter_mut().for_each(|place| *place += head.len());
        self
    }

    /// The same changes as a new batch of new rows.
    pub fn next_batch(&mut self) -> &[u8] {
        for place in &self.places {
            self.counter += 1;
            write_hex(self.counter, &mut self.text[*place..*place + COUNTER_CHARS]);
        }
        &self.text
    }
}

/// Bytes of a push body beside its data: for the first part and for each change, a few more than there are.
pub const BODY_OVERHEAD: usize = 128;
/// As above, for each change.
pub const CHANGE_OVERHEAD: usize = 92 + ID_CHARS + TIME.len();

fn write_hex(mut number: u64, place: &mut [u8]) {
    for digit in place.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}
