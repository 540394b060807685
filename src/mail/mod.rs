//! Mail to the people who have accounts, or are invited to make one. The only place that knows lettre.
//!
//! What is sent is made of an address, a subject and a text, and lettre's types see to it that none of them can become a header or a
//! second recipient.
#![allow(clippy::disallowed_types, reason = "this folder owns lettre")]

mod letters;

use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use thiserror::Error;
use uuid::Uuid;

pub use letters::Letter;

use crate::config::{MailSettings, MailTls, SmtpServer};

/// How long a mail server may take for one answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long it may take for a whole mail.
const WHOLE: Duration = Duration::from_secs(30);

/// Why mail cannot be sent with these settings.
#[derive(Debug, Error)]
pub enum OpenError {
    /// `from` is missing, or no address.
    #[error("[mail]: smtp is set, so from has to be an e-mail address, such as \"sync@example.org\"")]
    From,
    /// The certificates that mail servers are known by could not be read.
    #[error("[mail]: TLS does not work here: {0}")]
    Tls(String),
}

/// Why a mail was not sent.
#[derive(Debug, Error)]
pub enum SendError {
    /// No mail can be addressed like this.
    #[error("no mail can be sent to the address {0}")]
    Address(String),
    /// The mail server did not take it: where it is, and why.
    #[error("the mail server at {0} did not take the mail: {1}")]
    NotTaken(String, String),
}

/// Sends mail. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// Host and port of the mail server, for people.
    server: String,
}

impl Mailer {
    /// What the settings ask for. `None`: no mail. Nobody is connected to before there is something to send.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(settings: &MailSettings) -> Result<Option<Self>, OpenError> {
        let Some(server) = &settings.smtp else { return Ok(None) };
        let from = settings.from.parse().map_err(|_| OpenError::From)?;
        let transport = transport(server)?;
        Ok(Some(Self { transport, from, server: format!("{}:{}", server.host, server.port) }))
    }

    /// Sends a letter to one address, and returns when the mail server has taken it.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, to: &str, letter: &Letter) -> Result<(), SendError> {
        let message = self.message(to, letter).ok_or_else(|| SendError::Address(to.into()))?;
        let failed = |reason: String| SendError::NotTaken(self.server.clone(), reason);
        match tokio::time::timeout(WHOLE, self.transport.send(message)).await {
            Ok(sent) => sent.map(drop).map_err(|error| failed(with_causes(&error))),
            Err(_) => Err(failed(format!("it took longer than {} seconds", WHOLE.as_secs()))),
        }
    }

    fn message(&self, to: &str, letter: &Letter) -> Option<Message> {
        let address: Address = to.parse().ok()?;
        let id = format!("<{}@{}>", Uuid::new_v4(), self.from.email.domain());
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address))
            .message_id(Some(id))
            .subject(&letter.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text.clone());
        let mut message = message.ok()?;
        // So that nobody's absence is answered to us (RFC 3834).
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        message.headers_mut().insert_raw(HeaderValue::new(automatic, "auto-generated".into()));
        Some(message)
    }
}

fn transport(server: &SmtpServer) -> Result<AsyncSmtpTransport<Tokio1Executor>, OpenError> {
    let known =
        || TlsParameters::new(server.host.clone()).map_err(|error| OpenError::Tls(with_causes(&error)));
    let tls = match server.tls {
        MailTls::Always => Tls::Wrapper(known()?),
        MailTls::StartTls => Tls::Required(known()?),
        MailTls::Never => Tls::None,
    };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host).port(server.port);
    let builder = builder.tls(tls).timeout(Some(ANSWER));
    Ok(match &server.credentials {
        Some((user, password)) => {
            builder.credentials(Credentials::new(user.clone(), password.expose().into())).build()
        }
        None => builder.build(),
    })
}

/// What went wrong and why, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        // Some name their causes themselves.
        let said = next.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailer(from: &str) -> Result<Option<Mailer>, OpenError> {
        let smtp = Some(SmtpServer::parse("smtp://localhost").expect("an address"));
        Mailer::open(&MailSettings { smtp, from: from.into() })
    }

    #[test]
    fn mail_has_a_sender_where_there_is_mail() {
        assert!(
            Mailer::open(&MailSettings { smtp: None, from: String::new() }).is_ok_and(|none| none.is_none())
        );
        for from in ["sync@example.org", "Our notes <sync@example.org>"] {
            assert!(mailer(from).is_ok_and(|mailer| mailer.is_some()), "{from}");
        }
        for from in ["", "nobody", "a@b, c@d", "a@b\r\nBcc: c@d"] {
            assert!(matches!(mailer(from), Err(OpenError::From)), "{from:?}");
        }
    }

    #[test]
    fn nothing_in_a_letter_becomes_a_header_and_no_address_becomes_two() {
        let mailer = mailer("sync@example.org").expect("settings").expect("a mailer");
        let letter = Letter { subject: "x\r\nBcc: eve@example.org".into(), text: "a\r\n.\r\nb".into() };
        let message = mailer.message("ada@example.org", &letter).expect("a message");
        assert_eq!(message.envelope().to().len(), 1);
        let formatted = String::from_utf8(message.formatted()).expect("ASCII");
        let (headers, _) = formatted.split_once("\r\n\r\n").expect("headers and a body");
        assert!(headers.lines().all(|line| !line.starts_with("Bcc")), "{headers}");
        for to in [
            "ada@example.org\r\nBcc: eve@example.org",
            "a@b.c, d@e.f",
            "a@b.c>\r\nRCPT TO:<d@e.f",
            "nobody",
            "",
        ] {
            assert!(mailer.message(to, &letter).is_none(), "{to:?}");
        }
    }
}
