//! Recovery keys: what people type, and what programs display.

use sha2::{Digest, Sha256};
use tidelog_client::formats::keys::{KEY_BYTES, Secret};
use tidelog_client::formats::recovery_key::RECOVERY_KEY_CHARS;
use tidelog_client::formats::{RecoveryKey, RecoveryKeyError};

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const TEXT_BYTES: usize = 35;

/// Parses the bytes as typed text, and displays a recovery key made of the first 32 of them.
pub fn check(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check_text(text);
    }
    if let Some((secret, typing)) = bytes.split_first_chunk() {
        check_secret(*secret, typing);
    }
}

fn check_text(text: &str) {
    let read = RecoveryKey::parse(text);
    match (&read, expected(text)) {
        (Ok(key), Ok(secret)) => assert!(*key.secret().expose() == secret),
        (Err(error), Err(wanted)) => assert_eq!(*error, wanted),
        (read, wanted) => panic!("read: {:?}, expected: {:?}", read.is_ok(), wanted.is_ok()),
    }
    if let Ok(key) = read {
        let shown = key.to_text();
        assert!(RecoveryKey::parse(&shown).as_ref() == Ok(&key));
        assert!(letters(&shown) == letters(text), "a recovery key has one spelling");
    }
}

/// A displayed recovery key parses however it is typed: `typing` chooses each letter's case and the separators before
/// it.
fn check_secret(secret: [u8; KEY_BYTES], typing: &[u8]) {
    let key = RecoveryKey::from_secret(Secret::new(secret));
    let shown = key.to_text();
    assert_eq!(shown.len(), RECOVERY_KEY_CHARS + RECOVERY_KEY_CHARS / 4 - 1);
    assert!(RecoveryKey::parse(&shown).as_ref() == Ok(&key));
    let mut typed = String::new();
    let mut habits = typing.iter().chain(std::iter::repeat(&0));
    for letter in letters(&shown).expect("only letters of the alphabet are displayed") {
        let habit = habits.next().copied().unwrap_or_default();
        typed.push_str(["", " ", "\t", "\r\n", "\u{a0}", "-", "--", " - "][usize::from(habit & 7)]);
        typed.push(if habit & 8 == 0 { letter } else { letter.to_ascii_lowercase() });
    }
    assert!(RecoveryKey::parse(&typed).as_ref() == Ok(&key));
}

/// Returns the letters in upper case, without separators; `None` if there is any other character.
fn letters(text: &str) -> Option<Vec<char>> {
    let separators = [' ', '\t', '\r', '\n', '\u{a0}', '-'];
    let letters = text.chars().filter(|letter| !separators.contains(letter));
    letters.map(|letter| letter.to_ascii_uppercase()).map(|l| ALPHABET.contains(l).then_some(l)).collect()
}

/// A second parser, by plain arithmetic.
fn expected(text: &str) -> Result<[u8; KEY_BYTES], RecoveryKeyError> {
    let letters = letters(text).ok_or(RecoveryKeyError::Alphabet)?;
    if letters.len() != RECOVERY_KEY_CHARS {
        return Err(RecoveryKeyError::Length);
    }
    let mut bytes = [0_u8; TEXT_BYTES];
    for (index, letter) in letters.iter().enumerate() {
        let value = ALPHABET.find(*letter).unwrap_or_default();
        for bit in 0..5 {
            let at = index * 5 + bit;
            bytes[at / 8] |= u8::from(value >> (4 - bit) & 1 == 1) << (7 - at % 8);
        }
    }
    if bytes[0] != 1 {
        return Err(RecoveryKeyError::Version);
    }
    let (content, check) = bytes.split_at(1 + KEY_BYTES);
    let sum = Sha256::new().chain_update(b"tidelog/recovery/1").chain_update(content).finalize();
    if sum[..2] != *check {
        return Err(RecoveryKeyError::CheckSum);
    }
    Ok(content[1..].try_into().expect("32 bytes follow the first"))
}
