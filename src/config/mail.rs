//! `[mail]`: through which server mail goes, and from whom.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::Secret;

/// Where mail servers take mail under TLS (RFC 8314).
const TLS_PORT: u16 = 465;
/// Where they take it after STARTTLS (RFC 6409).
const STARTTLS_PORT: u16 = 587;
/// Where they take it from their own machine.
const PLAIN_PORT: u16 = 25;

/// `[mail]`; `config/default.toml` says what the settings mean.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "the commented default.toml is their one description")]
pub struct MailSettings {
    #[serde(deserialize_with = "server_or_none")]
    pub smtp: Option<SmtpServer>,
    pub from: String,
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpServer {
    /// Its name, or its IP address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How what is said to it is encrypted.
    pub tls: MailTls,
    /// User and password. `None`: it asks for none.
    pub credentials: Option<(String, Secret)>,
}

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// Under TLS from the first byte on.
    Always,
    /// Under TLS from STARTTLS on, and not at all without.
    StartTls,
    /// In the clear: it is on this machine.
    Never,
}

impl SmtpServer {
    /// Reads the address of a mail server.
    ///
    /// # Errors
    /// What it has to be like, without what it is.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url =
            Url::parse(text).map_err(|_| "it is an address like smtps://user:password@mail.example.org")?;
        // In brackets, if it is an IPv6 address.
        let host =
            url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err("it names a mail server after the //");
        }
        let is_here = is_this_machine(&host);
        let queries: Vec<_> = url.query_pairs().collect();
        let wants_tls = match queries.as_slice() {
            [] => false,
            [(key, value)] if key == "tls" && value == "required" => true,
            _ => return Err("all that may follow a ? is tls=required"),
        };
        let (tls, usual_port) = match (url.scheme(), wants_tls) {
            ("smtps", _) => (MailTls::Always, TLS_PORT),
            ("smtp", true) => (MailTls::StartTls, STARTTLS_PORT),
            ("smtp", false) if is_here => (MailTls::Never, PLAIN_PORT),
            ("smtp", false) => {
                return Err(
                    "a server on another machine is only spoken to under TLS: smtps://…, or smtp://…?tls=required",
                );
            }
            _ => return Err("it begins with smtps:// or smtp://"),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err("nothing follows the mail server's name and port but ?tls=required");
        }
        let credentials = credentials(&url)?;
        Ok(Self { host, port: url.port().unwrap_or(usual_port), tls, credentials })
    }
}

/// Whether what is sent there stays on this machine.
fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn credentials(url: &Url) -> Result<Option<(String, Secret)>, &'static str> {
    let decode = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded.map(String::from).map_err(|_| "its user and password are UTF-8")
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (user, Some(password)) if !user.is_empty() => Ok(Some((decode(user)?, decode(password)?.into()))),
        _ => Err("it has a user and a password, or neither"),
    }
}

fn server_or_none<'de, D: Deserializer<'de>>(input: D) -> Result<Option<SmtpServer>, D::Error> {
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
    fn other_machines_are_spoken_to_under_tls_and_this_one_as_one_likes() {
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
    fn what_would_be_sent_in_the_clear_or_says_something_unknown_is_refused() {
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
    fn credentials_are_read_as_addresses_write_them_and_never_shown() {
        let server =
            SmtpServer::parse("smtps://ada%40example.org:p%40ss%2Fword@mail.example.org").expect("a server");
        let (user, password) = server.credentials.clone().expect("credentials");
        assert_eq!((user.as_str(), password.expose()), ("ada@example.org", "p@ss/word"));
        assert!(!format!("{server:?}").contains("p@ss"));
    }
}
