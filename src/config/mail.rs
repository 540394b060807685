//! `[mail]`: the server that mail is sent through, and its sender.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::values::Secret;

/// Port for submission over TLS (RFC 8314).
const TLS_PORT: u16 = 465;
/// Port for submission with STARTTLS (RFC 6409).
const STARTTLS_PORT: u16 = 587;
/// Port for mail from the same machine.
const PLAIN_PORT: u16 = 25;

/// `[mail]`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "default.toml describes them")]
pub struct MailSettings {
    #[serde(deserialize_with = "optional_server")]
    pub smtp_url: Option<SmtpServer>,
    pub from: String,
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpServer {
    /// Its host name or IP address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: MailTls,
    /// User and password. `None`: it needs none.
    pub credentials: Option<(String, Secret)>,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// TLS from the first byte.
    Always,
    /// STARTTLS, which is required.
    StartTls,
    /// Not at all, as the server is on the same machine.
    Never,
}

impl SmtpServer {
    /// Parses the URL of a mail server.
    ///
    /// # Errors
    /// What is wrong, without quoting the URL, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url =
            Url::parse(text).map_err(|_| "must be a URL such as smtps://user:password@mail.example.org")?;
        // In brackets, if it is an IPv6 address.
        let host =
            url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err("must have a host after the //");
        }
        let is_local = is_this_machine(&host);
        let queries: Vec<_> = url.query_pairs().collect();
        let wants_tls = match queries.as_slice() {
            [] => false,
            [(key, value)] if key == "tls" && value == "required" => true,
            _ => return Err("may have no other parameter than ?tls=required"),
        };
        let (tls, usual_port) = match (url.scheme(), wants_tls) {
            ("smtps", _) => (MailTls::Always, TLS_PORT),
            ("smtp", true) => (MailTls::StartTls, STARTTLS_PORT),
            ("smtp", false) if is_local => (MailTls::Never, PLAIN_PORT),
            ("smtp", false) => {
                return Err(
                    "must use TLS unless the mail server is on this machine: smtps://…, or smtp://…?tls=required",
                );
            }
            _ => return Err("must start with smtps:// or smtp://"),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err("may have nothing after the host and port but ?tls=required");
        }
        let credentials = credentials(&url)?;
        Ok(Self { host, port: url.port().unwrap_or(usual_port), tls, credentials })
    }
}

/// Whether a connection to this host stays on the machine.
fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn credentials(url: &Url) -> Result<Option<(String, Secret)>, &'static str> {
    let decode = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded.map(String::from).map_err(|_| "must have a user and password in UTF-8")
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (user, Some(password)) if !user.is_empty() => Ok(Some((decode(user)?, decode(password)?.into()))),
        _ => Err("must have both a user and a password, or neither"),
    }
}

fn optional_server<'de, D: Deserializer<'de>>(input: D) -> Result<Option<SmtpServer>, D::Error> {
    let text = String::deserialize(input)?;
    if text.is_empty() { Ok(None) } else { SmtpServer::parse(&text).map(Some).map_err(D::Error::custom) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str, port: u16, tls: MailTls) -> SmtpServer {
        SmtpServer { host: host.into(), port, tls, credentials: None }
    }

    #[test]
    fn connections_to_other_machines_are_encrypted_and_local_ones_need_not_be() {
        use MailTls::{Always, Never, StartTls};
        for (text, expected) in [
            ("smtps://mail.example.org", server("mail.example.org", 465, Always)),
            ("smtps://mail.example.org:2465/", server("mail.example.org", 2465, Always)),
            ("smtps://mail.example.org?tls=required", server("mail.example.org", 465, Always)),
            ("smtp://mail.example.org?tls=required", server("mail.example.org", 587, StartTls)),
            ("smtp://192.0.2.1:25?tls=required", server("192.0.2.1", 25, StartTls)),
            ("smtp://localhost", server("localhost", 25, Never)),
            ("smtp://127.0.0.1:1025", server("127.0.0.1", 1025, Never)),
            ("smtp://[::1]:1025", server("::1", 1025, Never)),
            ("smtps://[2001:db8::1]", server("2001:db8::1", 465, Always)),
        ] {
            assert_eq!(SmtpServer::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn unencrypted_connections_to_other_machines_and_unknown_urls_are_refused() {
        for text in [
            "mail.example.org",
            "mail.example.org:465",
            "https://mail.example.org",
            "smtp://",
            "smtps:///",
            "smtp://mail.example.org",
            "smtp://192.0.2.1",
            "smtp://[2001:db8::1]",
            "smtp://localhost.example.org",
            "smtp://127.0.0.1.example.org",
            "smtp://user:password@mail.example.org:587",
            "smtp://mail.example.org?tls=opportunistic",
            "smtp://mail.example.org?tls=required&tls=none",
            "smtps://mail.example.org?verify=none",
            "smtps://mail.example.org/inbox",
            "smtps://mail.example.org#x",
            "smtps://user@mail.example.org",
            "smtps://:password@mail.example.org",
        ] {
            assert!(SmtpServer::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn credentials_are_percent_decoded_and_never_shown() {
        let server =
            SmtpServer::parse("smtps://ada%40example.org:p%40ss%2Fword@mail.example.org").expect("a server");
        let (user, password) = server.credentials.clone().expect("credentials");
        assert_eq!((user.as_str(), password.expose()), ("ada@example.org", "p@ss/word"));
        assert!(!format!("{server:?}").contains("p@ss"));
    }
}
