//! The address of a blob together with what opens it. The address is the server's; behind `#`, where no request carries it to,
//! stand the key's version, the blob's name and its sealed key: `#tidelog=1.<64 hex digits>.<base64url>`.

use std::str::FromStr;

use data_encoding::{BASE64, BASE64URL_NOPAD};

use crate::formats::{BlobError, BlobHash};

const LABEL: &str = "tidelog=";

/// What an address was given along.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BlobLink<'a> {
    /// The address, without what is behind `#`.
    pub(super) address: &'a str,
    pub(super) name: BlobHash,
    pub(super) key_version: u32,
    /// As the server gave it.
    pub(super) wrapped_key: String,
}

impl<'a> BlobLink<'a> {
    /// Takes apart what [`write`] has put together.
    pub(super) fn read(link: &'a str) -> Result<Self, BlobError> {
        let (address, fragment) = link.split_once('#').ok_or(BlobError::NoKey)?;
        let mut parts = fragment.strip_prefix(LABEL).ok_or(BlobError::NoKey)?.splitn(3, '.');
        let mut next = || parts.next().ok_or(BlobError::NoKey);
        let (version, name, wrapped) = (next()?, next()?, next()?);
        let wrapped = BASE64URL_NOPAD.decode(wrapped.as_bytes()).map_err(|_| BlobError::NoKey)?;
        Ok(Self {
            address,
            name: BlobHash::from_str(name).map_err(|_| BlobError::NoKey)?,
            key_version: version.parse().map_err(|_| BlobError::NoKey)?,
            wrapped_key: BASE64.encode(&wrapped),
        })
    }
}

/// An address with what opens the blob; `None` if the sealed key is no base64.
pub(super) fn write(address: &str, name: &BlobHash, key_version: u32, wrapped_key: &str) -> Option<String> {
    let wrapped = BASE64.decode(wrapped_key.as_bytes()).ok()?;
    let address = address.split('#').next().unwrap_or_default();
    Some(format!("{address}#{LABEL}{key_version}.{name}.{}", BASE64URL_NOPAD.encode(&wrapped)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "https://store.example/a/b?signature=c%2Fd";

    #[test]
    fn a_link_gives_back_what_it_was_made_of() {
        let (name, wrapped) = (BlobHash([7; 32]), BASE64.encode(&[250; 72]));
        let link = write(ADDRESS, &name, 3, &wrapped).unwrap();
        let expected = BlobLink { address: ADDRESS, name, key_version: 3, wrapped_key: wrapped };
        assert_eq!(BlobLink::read(&link), Ok(expected));
    }

    #[test]
    fn an_address_without_a_key_or_with_half_of_one_has_none() {
        let name = "07".repeat(32);
        for fragment in ["", "#", "#key", "#tidelog=", "#tidelog=1", "#tidelog=1.00.AA", "#tidelog=x.y.z"] {
            assert_eq!(BlobLink::read(&format!("{ADDRESS}{fragment}")), Err(BlobError::NoKey));
        }
        for version in ["", "-1", "4294967296"] {
            let link = format!("{ADDRESS}#tidelog={version}.{name}.AA");
            assert_eq!(BlobLink::read(&link), Err(BlobError::NoKey), "{version}");
        }
        assert_eq!(BlobLink::read(&format!("{ADDRESS}#tidelog=1.{name}.A/A")), Err(BlobError::NoKey));
    }
}
