//! Parses and forges access tokens, to test that the server accepts only its own.

use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use sha2::Sha256;

/// A key for signing tokens.
pub struct SigningKey {
    /// The key id in the header of a token.
    pub kid: String,
    secret: Vec<u8>,
}

impl SigningKey {
    /// Reads the newest key from the database of a stopped server.
    pub fn stolen_from(data: &Path) -> Self {
        let file = Connection::open_with_flags(data.join("tidelog.db"), OpenFlags::SQLITE_OPEN_READ_WRITE)
            .expect("the database of a stopped server opens");
        file.query_row("SELECT kid, secret FROM signing_keys ORDER BY id DESC LIMIT 1", [], |row| {
            Ok(Self { kid: row.get(0)?, secret: row.get(1)? })
        })
        .expect("a server has a signing key")
    }

    /// Returns a forged key under an existing key id.
    pub fn forged(kid: &str) -> Self {
        Self { kid: kid.to_owned(), secret: vec![7; 32] }
    }

    /// Returns a token of these parts, signed with HMAC-SHA256 whatever its header says.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC accepts any key length");
        mac.update(signed.as_bytes());
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
    }
}

/// Returns a token of these parts with an empty signature.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}.", encode(header), encode(claims))
}

/// Returns the header of a token.
pub fn header_of(token: &str) -> Value {
    part_of(token, 0)
}

/// Returns the claims of a token.
pub fn claims_of(token: &str) -> Value {
    part_of(token, 1)
}

fn encode(part: &Value) -> String {
    BASE64URL_NOPAD.encode(part.to_string().as_bytes())
}

fn part_of(token: &str, place: usize) -> Value {
    let part = token.split('.').nth(place).expect("a token has three parts");
    let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).expect("a part is base64url");
    serde_json::from_slice(&bytes).expect("a part is JSON")
}
