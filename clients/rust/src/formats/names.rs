//! Hidden names: stand-ins on the wire for tables and rows of a vault that hides their names from the server.
//!
//! ```text
//! table   "t_" ‖ base32(HMAC(K_name, 1 ‖ table)[..16])                     lower case, no padding: 28 characters
//! row_id  base64url(HMAC(K_name, 2 ‖ table_len u8 ‖ table ‖ row_id)[..20]) no padding: 27 characters
//! ```
//!
//! 1 and 2 are single bytes. The same row always has the same stand-in, so equality and frequency are still visible.
//! The names themselves are inside the sealed frame, and a reader recomputes the stand-ins and compares. A vault
//! hides the names of all its entries or of none: a frame with names in a vault that shows them, or without names in
//! one that hides them, is refused.

use std::borrow::Cow;
use std::fmt;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};

use super::error::FormatError;
use super::keys::{Secret, hmac};

const TABLE_DOMAIN: u8 = 1;
const ROW_DOMAIN: u8 = 2;
const TABLE_MAC_BYTES: usize = 16;
const ROW_MAC_BYTES: usize = 20;

/// The names of a table and a row: those of the app, or those on the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct Names<'a> {
    /// At most 255 bytes.
    pub table: Cow<'a, str>,
    /// At most 65,535 bytes.
    pub row_id: Cow<'a, str>,
}

impl<'a> Names<'a> {
    /// Borrows both names.
    pub fn new(table: &'a str, row_id: &'a str) -> Self {
        Self { table: Cow::Borrowed(table), row_id: Cow::Borrowed(row_id) }
    }

    /// Copies borrowed names.
    pub fn into_owned(self) -> Names<'static> {
        Names { table: Cow::Owned(self.table.into_owned()), row_id: Cow::Owned(self.row_id.into_owned()) }
    }

    /// Returns the stand-ins of these names under `K_name`.
    ///
    /// # Errors
    /// [`FormatError::NameTooLong`].
    pub fn hidden(&self, name_key: &Secret) -> Result<Names<'static>, FormatError> {
        let table = self.table.as_bytes();
        let table_len = u8::try_from(table.len()).map_err(|_| FormatError::NameTooLong)?;
        let table_mac = hmac(name_key, &[&[TABLE_DOMAIN], table]);
        let row_mac = hmac(name_key, &[&[ROW_DOMAIN, table_len], table, self.row_id.as_bytes()]);
        let table = BASE32_NOPAD.encode(&table_mac[..TABLE_MAC_BYTES]).to_ascii_lowercase();
        Ok(Names {
            table: Cow::Owned(format!("t_{table}")),
            row_id: Cow::Owned(BASE64URL_NOPAD.encode(&row_mac[..ROW_MAC_BYTES])),
        })
    }

    /// Appends `table_len u8 ‖ table ‖ row_len u16 ‖ row_id`, the encoding that associated data, frames and heads
    /// share.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let table_len = u8::try_from(self.table.len()).map_err(|_| FormatError::NameTooLong)?;
        let row_len = u16::try_from(self.row_id.len()).map_err(|_| FormatError::NameTooLong)?;
        out.push(table_len);
        out.extend_from_slice(self.table.as_bytes());
        out.extend_from_slice(&row_len.to_le_bytes());
        out.extend_from_slice(self.row_id.as_bytes());
        Ok(())
    }

    /// Bytes that [`Self::write`] appends.
    pub(super) fn encoded_len(&self) -> usize {
        1 + self.table.len() + 2 + self.row_id.len()
    }
}

/// Shows nothing: the names may be hidden ones.
impl fmt::Debug for Names<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Names(..)")
    }
}
