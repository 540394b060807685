//! The URL of a blob together with its wrapped key. The URL is the server's; behind `#`, which no request carries,
//! are the key version, the blob's name and its wrapped key: `#tidelog=1.<64 hex digits>.<base64url>`.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use tidelog_protocol::BlobDownloadResponse;

use crate::formats::{BlobError, BlobHash};

const LABEL: &str = "tidelog=";

/// A presigned URL with what opens the blob behind it.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct BlobLink {
    /// Without what is behind `#`.
    pub(super) url: String,
    pub(super) name: BlobHash,
    pub(super) key_version: u32,
    /// In base64, as the server gives it.
    pub(super) wrapped_key: String,
}

impl BlobLink {
    /// Returns the link to a blob; `None` if the server has no key for it, or one that is not base64.
    pub(super) fn from_answer(name: BlobHash, answer: &BlobDownloadResponse) -> Option<Self> {
        let (key_version, wrapped_key) = (answer.key_version?, answer.wrapped_key.clone()?);
        BASE64.decode(wrapped_key.as_bytes()).ok()?;
        let url = answer.download_url.split('#').next().unwrap_or_default().to_owned();
        Some(Self { url, name, key_version, wrapped_key })
    }

    /// Reads a link as it is displayed.
    pub(super) fn parse(link: &str) -> Result<Self, BlobError> {
        let (url, fragment) = link.split_once('#').ok_or(BlobError::NoKey)?;
        let mut parts = fragment.strip_prefix(LABEL).ok_or(BlobError::NoKey)?.splitn(3, '.');
        let mut next = || parts.next().ok_or(BlobError::NoKey);
        let (version, name, wrapped) = (next()?, next()?, next()?);
        let wrapped = BASE64URL_NOPAD.decode(wrapped.as_bytes()).map_err(|_| BlobError::NoKey)?;
        Ok(Self {
            url: url.to_owned(),
            name: BlobHash::from_str(name).map_err(|_| BlobError::NoKey)?,
            key_version: version.parse().map_err(|_| BlobError::NoKey)?,
            wrapped_key: BASE64.encode(&wrapped),
        })
    }
}

impl fmt::Display for BlobLink {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, name, key_version, wrapped_key } = self;
        let wrapped = BASE64.decode(wrapped_key.as_bytes()).map_err(|_| fmt::Error)?;
        write!(out, "{url}#{LABEL}{key_version}.{name}.{}", BASE64URL_NOPAD.encode(&wrapped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://store.example/a/b?signature=c%2Fd";

    fn link(wrapped_key: String) -> BlobLink {
        BlobLink { url: URL.into(), name: BlobHash([7; 32]), key_version: 3, wrapped_key }
    }

    #[test]
    fn a_link_is_read_back_as_it_was_written() {
        let link = link(BASE64.encode(&[250; 72]));
        assert_eq!(BlobLink::parse(&link.to_string()), Ok(link));
    }

    #[test]
    fn a_key_that_is_not_base64_makes_no_link() {
        let answer = |wrapped_key: &str| BlobDownloadResponse {
            download_url: format!("{URL}#ignored"),
            wrapped_key: Some(wrapped_key.into()),
            key_version: Some(3),
            size_bytes: None,
        };
        assert_eq!(BlobLink::from_answer(BlobHash([7; 32]), &answer("A-A")), None);
        assert_eq!(BlobLink::from_answer(BlobHash([7; 32]), &answer("AAAA")), Some(link("AAAA".into())));
    }

    #[test]
    fn a_url_without_a_key_or_with_half_of_one_has_none() {
        let name = "07".repeat(32);
        for fragment in ["", "#", "#key", "#tidelog=", "#tidelog=1", "#tidelog=1.00.AA", "#tidelog=x.y.z"] {
            assert_eq!(BlobLink::parse(&format!("{URL}{fragment}")), Err(BlobError::NoKey));
        }
        for version in ["", "-1", "4294967296"] {
            let link = format!("{URL}#tidelog={version}.{name}.AA");
            assert_eq!(BlobLink::parse(&link), Err(BlobError::NoKey), "{version}");
        }
        assert_eq!(BlobLink::parse(&format!("{URL}#tidelog=1.{name}.A/A")), Err(BlobError::NoKey));
    }
}
