//! Second factors: TOTP codes (RFC 6238), and recovery codes in case the authenticator app is lost.

use data_encoding::BASE32_NOPAD;
use totp_rs::{Builder, Totp};

use super::secrets::{hash_secret, random_256};
use crate::error::Fault;
use crate::model::second_factors::{RECOVERY_CODES, SECRET_BYTES, SecondFactorCode};

/// The secret that the authenticator app and the server share.
pub type Secret = [u8; SECRET_BYTES];

/// Random bytes of a recovery code: 80 bits, so that none can be guessed from its hash.
const RECOVERY_CODE_BYTES: usize = 10;
/// Characters between two dashes of a recovery code.
const GROUP_CHARS: usize = 4;

/// Generates a secret.
pub fn new_secret() -> Result<Secret, Fault> {
    let random = random_256()?;
    Ok(std::array::from_fn(|index| random[index]))
}

/// The secret as typed into an authenticator app.
pub fn secret_as_text(secret: &Secret) -> String {
    BASE32_NOPAD.encode(secret)
}

/// The `otpauth` URL of a secret, as QR codes contain it.
pub fn enrolment_url(secret: &Secret, issuer: &str, account: &str) -> String {
    let mut label = url::form_urlencoded::Serializer::new(String::new());
    label.append_key_only(&format!("{issuer}:{account}"));
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("secret", &secret_as_text(secret)).append_pair("issuer", issuer);
    // Spaces must be %20 in the query, too: authenticator apps do not decode a plus.
    let plain = |text: String| text.replace('+', "%20");
    format!("otpauth://totp/{}?{}", plain(label.finish()), plain(query.finish()))
}

/// The time step of a code, if it is that of the current, the previous or the next one: clocks differ.
pub fn time_step(secret: &Secret, code: &str, now_seconds: i64) -> Option<i64> {
    let now = u64::try_from(now_seconds).ok()?;
    let step = totp(secret).check(code, now)?;
    i64::try_from(step).ok()
}

/// Six digits, thirty seconds: the defaults of all authenticator apps.
fn totp(secret: &Secret) -> Totp {
    Builder::new().with_secret(secret.to_vec()).with_skew(1).build_noncompliant()
}

/// Generates ten recovery codes.
pub fn new_recovery_codes() -> Result<Vec<String>, Fault> {
    (0..RECOVERY_CODES)
        .map(|_| Ok(grouped(&BASE32_NOPAD.encode(&random_256()?[..RECOVERY_CODE_BYTES]))))
        .collect()
}

fn grouped(code: &str) -> String {
    let groups: Vec<_> = code.as_bytes().chunks(GROUP_CHARS).map(String::from_utf8_lossy).collect();
    groups.join("-").to_lowercase()
}

/// The hash of a recovery code, as stored. Case, dashes and spaces do not matter.
pub fn hash_recovery_code(code: &str) -> [u8; 32] {
    let code: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    hash_secret(&code.to_uppercase())
}

/// Reads a code as it was typed: of an authenticator app if it consists of digits, otherwise a recovery code.
pub fn parse_code(code: &str, secret: &Secret, now_seconds: i64) -> SecondFactorCode {
    let typed: String = code.chars().filter(|char| !char.is_whitespace()).collect();
    let is_totp = !typed.is_empty() && typed.bytes().all(|byte| byte.is_ascii_digit());
    match is_totp {
        true => SecondFactorCode::Totp(time_step(secret, &typed, now_seconds)),
        false => SecondFactorCode::Recovery(hash_recovery_code(&typed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238, appendix B.
    const SECRET: Secret = *b"12345678901234567890";

    #[test]
    fn codes_follow_the_standard_and_are_valid_for_three_time_steps() {
        // The last six of the standard's eight digits.
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            let step = time / 30;
            for now in [time - 30, time, time + 30] {
                assert_eq!(time_step(&SECRET, code, now), Some(step), "{code} at {now}");
            }
            assert_eq!(time_step(&SECRET, code, time + 60), None);
            assert_eq!(time_step(&SECRET, code, -1), None);
        }
        for garbage in ["", "28708", "2870822", "28708a", "+28708", "²87082"] {
            assert_eq!(time_step(&SECRET, garbage, 59), None, "{garbage}");
        }
    }

    #[test]
    fn spaces_dashes_and_case_of_a_typed_code_do_not_matter() {
        assert_eq!(parse_code(" 287 082 ", &SECRET, 59), SecondFactorCode::Totp(Some(1)));
        let codes = new_recovery_codes().expect("randomness");
        assert_eq!(codes.len(), RECOVERY_CODES);
        let code = &codes[0];
        assert_eq!(code.len(), 19, "{code}");
        let hash = hash_recovery_code(code);
        for typed in [code.to_uppercase(), code.replace('-', ""), format!(" {} ", code.replace('-', " "))] {
            assert_eq!(parse_code(&typed, &SECRET, 59), SecondFactorCode::Recovery(hash));
        }
        assert_ne!(hash_recovery_code(&codes[1]), hash);
    }

    #[test]
    fn the_otpauth_url_encodes_spaces_and_symbols_as_authenticator_apps_expect() {
        let url = enrolment_url(&SECRET, "Ada & Co", "a+b@example.org");
        assert_eq!(
            url,
            "otpauth://totp/Ada%20%26%20Co%3Aa%2Bb%40example.org\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Ada%20%26%20Co"
        );
    }
}
