//! Recovery codes: what people type, and what programs write.

use sha2::{Digest, Sha256};
use tidelog_client::formats::keys::{KEY_BYTES, Secret};
use tidelog_client::formats::recovery::CODE_CHARS;
use tidelog_client::formats::{RecoveryCode, RecoveryCodeError};

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const CODE_BYTES: usize = 35;

/// Reads the bytes as a code that somebody typed, and makes a code of the first 32 of them.
pub fn check(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check_text(text);
    }
    if let Some((secret, typing)) = bytes.split_first_chunk() {
        check_secret(*secret, typing);
    }
}

fn check_text(text: &str) {
    let read = RecoveryCode::parse(text);
    match (&read, expected(text)) {
        (Ok(code), Ok(secret)) => assert!(*code.secret().expose() == secret),
        (Err(error), Err(wanted)) => assert_eq!(*error, wanted),
        (read, wanted) => panic!("read: {:?}, expected: {:?}", read.is_ok(), wanted.is_ok()),
    }
    if let Ok(code) = read {
        let shown = code.to_text();
        assert!(RecoveryCode::parse(&shown).as_ref() == Ok(&code));
        assert!(letters(&shown) == letters(text), "a code has one spelling");
    }
}

/// A code is read back however it is typed: `typing` chooses each letter's case and what stands before it.
fn check_secret(secret: [u8; KEY_BYTES], typing: &[u8]) {
    let code = RecoveryCode::from_secret(Secret::new(secret));
    let shown = code.to_text();
    assert_eq!(shown.len(), CODE_CHARS + CODE_CHARS / 4 - 1);
    assert!(RecoveryCode::parse(&shown).as_ref() == Ok(&code));
    let mut typed = String::new();
    let mut habits = typing.iter().chain(std::iter::repeat(&0));
    for letter in letters(&shown).expect("what is shown has only letters of codes") {
        let habit = habits.next().copied().unwrap_or_default();
        typed.push_str(["", " ", "\t", "\r\n", "\u{a0}", "-", "--", " - "][usize::from(habit & 7)]);
        typed.push(if habit & 8 == 0 { letter } else { letter.to_ascii_lowercase() });
    }
    assert!(RecoveryCode::parse(&typed).as_ref() == Ok(&code));
}

/// The letters in upper case, without what separates groups; `None` if any other character stands among them.
fn letters(text: &str) -> Option<Vec<char>> {
    let separators = [' ', '\t', '\r', '\n', '\u{a0}', '-'];
    let letters = text.chars().filter(|letter| !separators.contains(letter));
    letters.map(|letter| letter.to_ascii_uppercase()).map(|l| ALPHABET.contains(l).then_some(l)).collect()
}

/// The same reading by plain arithmetic.
fn expected(text: &str) -> Result<[u8; KEY_BYTES], RecoveryCodeError> {
    let letters = letters(text).ok_or(RecoveryCodeError::Alphabet)?;
    if letters.len() != CODE_CHARS {
        return Err(RecoveryCodeError::Length);
    }
    let mut bytes = [0_u8; CODE_BYTES];
    for (place, letter) in letters.iter().enumerate() {
        let value = ALPHABET.find(*letter).unwrap_or_default();
        for bit in 0..5 {
            let at = place * 5 + bit;
            bytes[at / 8] |= u8::from(value >> (4 - bit) & 1 == 1) << (7 - at % 8);
        }
    }
    if bytes[0] != 1 {
        return Err(RecoveryCodeError::Version);
    }
    let (content, check) = bytes.split_at(1 + KEY_BYTES);
    let sum = Sha256::new().chain_update(b"tidelog/recovery/1").chain_update(content).finalize();
    if sum[..2] != *check {
        return Err(RecoveryCodeError::CheckSum);
    }
    Ok(content[1..].try_into().expect("32 bytes follow the first"))
}
