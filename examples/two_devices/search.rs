//! Searches the server's files for thousands of texts of the data set, in plain form and inside base64.
//!
//! A search without results proves nothing unless it is able to find something. So `main` also searches files that
//! contain the texts.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;

use data_encoding::BASE64;

use crate::Result;

/// The minimum length of a text, in bytes: shorter ones would be found by chance. Texts are indexed by their first
/// bytes.
const MIN_LENGTH: usize = 8;
/// The minimum length of a text to search for in base64, so that at each of the three possible offsets enough
/// characters are left.
const MIN_BASE64_LENGTH: usize = 11;

/// The texts to search for.
pub struct Search {
    by_start: HashMap<[u8; MIN_LENGTH], Vec<Pattern>>,
    texts: usize,
}

struct Pattern {
    bytes: Vec<u8>,
    text: usize,
}

impl Search {
    /// Keeps the texts that are long enough.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let texts: BTreeSet<_> = texts.into_iter().filter(|text| text.len() >= MIN_LENGTH).collect();
        let mut search = Self { by_start: HashMap::new(), texts: texts.len() };
        for (text, characters) in texts.into_iter().enumerate() {
            search.add(text, characters.into());
            if characters.len() >= MIN_BASE64_LENGTH {
                (0..3).for_each(|shift| search.add(text, inside_base64(characters, shift)));
            }
        }
        search
    }

    fn add(&mut self, text: usize, bytes: Vec<u8>) {
        if let Some(start) = bytes.first_chunk::<MIN_LENGTH>() {
            self.by_start.entry(*start).or_default().push(Pattern { bytes, text });
        }
    }

    /// The number of texts to search for.
    pub fn texts(&self) -> usize {
        self.texts
    }

    /// Counts the texts that occur in these bytes.
    pub fn count_in(&self, bytes: &[u8]) -> usize {
        let mut found = BTreeSet::new();
        for (offset, start) in bytes.windows(MIN_LENGTH).enumerate() {
            let candidates =
                start.try_into().ok().and_then(|start: [u8; MIN_LENGTH]| self.by_start.get(&start));
            for pattern in candidates.into_iter().flatten() {
                if bytes[offset..].starts_with(&pattern.bytes) {
                    found.insert(pattern.text);
                }
            }
        }
        found.len()
    }
}

/// The base64 of a text that begins `shift` bytes after a group of three, without the characters at both ends that
/// also depend on its neighbours.
fn inside_base64(text: &str, shift: usize) -> Vec<u8> {
    let encoded = BASE64.encode(&[&[0; 3][..shift], text.as_bytes()].concat());
    let start = [0, 2, 3][shift];
    let whole = (shift + text.len()) / 3 * 4;
    encoded.as_bytes()[start..whole].to_vec()
}

/// Reads several files into one buffer.
pub fn read_all(files: &[PathBuf]) -> Result<Vec<u8>> {
    let contents = files.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
    Ok(contents.concat())
}
