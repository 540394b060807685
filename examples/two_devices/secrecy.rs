//! Whether the server's disk gives anything away: looks for thousands of texts of the data set in every file of the server,
//! as they are and inside base64.
//!
//! A search that finds nothing proves nothing unless it can find something, so `main` also lets it search where the texts are.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;

use data_encoding::BASE64;

use crate::Result;

/// Bytes by which texts are looked up; shorter texts would be found by chance.
const SHORTEST: usize = 8;
/// Shortest text that is looked for in base64: enough characters survive at each of the three places where it can begin.
const SHORTEST_IN_BASE64: usize = 11;

/// Texts to look for.
pub struct Search {
    by_start: HashMap<[u8; SHORTEST], Vec<Pattern>>,
    texts: usize,
}

struct Pattern {
    bytes: Vec<u8>,
    text: usize,
}

impl Search {
    /// A search for those of the texts that are long enough to be telling.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let texts: BTreeSet<_> = texts.into_iter().filter(|text| text.len() >= SHORTEST).collect();
        let mut search = Self { by_start: HashMap::new(), texts: texts.len() };
        for (text, characters) in texts.into_iter().enumerate() {
            search.add(text, characters.into());
            if characters.len() >= SHORTEST_IN_BASE64 {
                (0..3).for_each(|shift| search.add(text, inside_base64(characters, shift)));
            }
        }
        search
    }

    fn add(&mut self, text: usize, bytes: Vec<u8>) {
        if let Some(start) = bytes.first_chunk::<SHORTEST>() {
            self.by_start.entry(*start).or_default().push(Pattern { bytes, text });
        }
    }

    /// How many texts are looked for.
    pub fn texts(&self) -> usize {
        self.texts
    }

    /// How many of them are in these bytes.
    pub fn count_in(&self, bytes: &[u8]) -> usize {
        let mut found = BTreeSet::new();
        for (place, start) in bytes.windows(SHORTEST).enumerate() {
            let candidates =
                start.try_into().ok().and_then(|start: [u8; SHORTEST]| self.by_start.get(&start));
            for pattern in candidates.into_iter().flatten() {
                if bytes[place..].starts_with(&pattern.bytes) {
                    found.insert(pattern.text);
                }
            }
        }
        found.len()
    }
}

/// The characters that base64 has for a text which begins `shift` bytes after a group of three, less those at either end that
/// its neighbours decide too.
fn inside_base64(text: &str, shift: usize) -> Vec<u8> {
    let encoded = BASE64.encode(&[&[0; 3][..shift], text.as_bytes()].concat());
    let start = [0, 2, 3][shift];
    let whole = (shift + text.len()) / 3 * 4;
    encoded.as_bytes()[start..whole].to_vec()
}

/// The bytes of some files, one after the other.
pub fn read_all(files: &[PathBuf]) -> Result<Vec<u8>> {
    let contents = files.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
    Ok(contents.concat())
}
