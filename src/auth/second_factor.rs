//! The second factor: codes by time (RFC 6238), and codes on paper for the day on which the phone is lost.

use data_encoding::BASE32_NOPAD;
use totp_rs::{Builder, Totp};

use super::secrets::{hash_secret, random_256};
use crate::error::Fault;
use crate::model::second_factors::{RECOVERY_CODES, SECRET_BYTES, Shown};

/// What a person's program and the server share.
pub type Secret = [u8; SECRET_BYTES];

/// Bits of a recovery code: 80, so that no stored hash can be guessed.
const RECOVERY_BYTES: usize = 10;
/// Letters between two dashes of a recovery code.
const GROUP: usize = 4;

/// A new secret.
///
/// # Errors
/// The operating system has no randomness to give.
pub fn new_secret() -> Result<Secret, Fault> {
    let random = random_256()?;
    Ok(std::array::from_fn(|place| random[place]))
}

/// The secret as a person types it.
pub fn as_text(secret: &Secret) -> String {
    BASE32_NOPAD.encode(secret)
}

/// The address by which programs are told a secret, in the squares that a phone reads, too.
pub fn enrolment_url(secret: &Secret, issuer: &str, account: &str) -> String {
    let mut label = url::form_urlencoded::Serializer::new(String::new());
    label.append_key_only(&format!("{issuer}:{account}"));
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("secret", &as_text(secret)).append_pair("issuer", issuer);
    // In a path and in a query a blank is %20: programs take a plus for a plus.
    let plain = |text: String| text.replace('+', "%20");
    format!("otpauth://totp/{}?{}", plain(label.finish()), plain(query.finish()))
}

/// The time step for which a code is right now, the step before or the next one: clocks differ.
pub fn step_of(secret: &Secret, code: &str, now_seconds: i64) -> Option<i64> {
    let now = u64::try_from(now_seconds).ok()?;
    let step = totp(secret).check(code, now)?;
    i64::try_from(step).ok()
}

/// Six digits, thirty seconds: what every program takes for granted.
fn totp(secret: &Secret) -> Totp {
    Builder::new().with_secret(secret.to_vec()).with_skew(1).build_noncompliant()
}

/// Ten new recovery codes.
///
/// # Errors
/// The operating system has no randomness to give.
pub fn new_recovery_codes() -> Result<Vec<String>, Fault> {
    (0..RECOVERY_CODES).map(|_| Ok(grouped(&BASE32_NOPAD.encode(&random_256()?[..RECOVERY_BYTES])))).collect()
}

fn grouped(letters: &str) -> String {
    let groups: Vec<_> = letters.as_bytes().chunks(GROUP).map(String::from_utf8_lossy).collect();
    groups.join("-").to_lowercase()
}

/// What is stored of a recovery code. How it is written does not count: letter case, dashes and blanks are left out.
pub fn hash_recovery_code(code: &str) -> [u8; 32] {
    let letters: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    hash_secret(&letters.to_uppercase())
}

/// What a person has typed, which may be either kind of code.
pub fn read(code: &str, secret: &Secret, now_seconds: i64) -> Shown {
    let typed: String = code.chars().filter(|char| !char.is_whitespace()).collect();
    let is_time_code = !typed.is_empty() && typed.bytes().all(|byte| byte.is_ascii_digit());
    match is_time_code {
        true => Shown::Time(step_of(secret, &typed, now_seconds)),
        false => Shown::Recovery(hash_recovery_code(&typed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238, appendix B.
    const SECRET: Secret = *b"12345678901234567890";

    #[test]
    fn the_codes_are_those_of_the_standard_and_good_for_three_steps() {
        // The last six digits of the standard's eight.
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            let step = time / 30;
            for now in [time - 30, time, time + 30] {
                assert_eq!(step_of(&SECRET, code, now), Some(step), "{code} at {now}");
            }
            assert_eq!(step_of(&SECRET, code, time + 60), None);
            assert_eq!(step_of(&SECRET, code, -1), None);
        }
        for garbage in ["", "28708", "2870822", "28708a", "+28708", "²87082"] {
            assert_eq!(step_of(&SECRET, garbage, 59), None, "{garbage}");
        }
    }

    #[test]
    fn a_code_is_what_it_is_however_it_is_typed() {
        assert_eq!(read(" 287 082 ", &SECRET, 59), Shown::Time(Some(1)));
        let codes = new_recovery_codes().expect("randomness");
        assert_eq!(codes.len(), RECOVERY_CODES);
        let code = &codes[0];
        assert_eq!(code.len(), 19, "{code}");
        let hash = hash_recovery_code(code);
        for typed in [code.to_uppercase(), code.replace('-', ""), format!(" {} ", code.replace('-', " "))] {
            assert_eq!(read(&typed, &SECRET, 59), Shown::Recovery(hash));
        }
        assert_ne!(hash_recovery_code(&codes[1]), hash);
    }

    #[test]
    fn the_address_for_phones_spells_blanks_and_signs_as_they_do() {
        let url = enrolment_url(&SECRET, "Ada & Co", "a+b@example.org");
        assert_eq!(
            url,
            "otpauth://totp/Ada%20%26%20Co%3Aa%2Bb%40example.org\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Ada%20%26%20Co"
        );
    }
}
