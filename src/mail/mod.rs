//! Mail to people who have an account or are invited to create one. The only folder that uses lettre.
//!
//! A mail consists of an email address, a subject and a text; lettre's types ensure that none of them can inject a
//! header or a second recipient.
#![allow(clippy::disallowed_types, reason = "this folder owns lettre")]

mod messages;

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use thiserror::Error;
use uuid::Uuid;

pub use messages::Message;

use crate::config::{MailSettings, MailTls, SmtpServer};

/// How long a mail server may take for one response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take to accept a message.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Why mail can't be sent with these settings.
#[derive(Debug, Error)]
pub enum OpenError {
    /// `from` is missing or not an email address.
    #[error("mail.from must be an email address, such as \"sync@example.org\", as mail.smtp_url is set")]
    From,
    /// The trusted certificates could not be loaded.
    #[error("cannot set up TLS for mail: {0}")]
    Tls(String),
}

/// Why a mail was not sent.
#[derive(Debug, Error)]
pub enum SendError {
    /// No mail can be sent to this email address.
    #[error("invalid email address {0}")]
    InvalidAddress(String),
    /// The mail server did not accept it: the server's host and port, and the reason.
    #[error("the mail server at {0} did not accept the mail: {1}")]
    NotAccepted(String, String),
}

/// Sends mail. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// Host and port of the mail server, for errors.
    server: String,
}

impl Mailer {
    /// Sets up mail as configured; `None` if it isn't. Connects only when there is something to send.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(settings: &MailSettings) -> Result<Option<Self>, OpenError> {
        let Some(server) = &settings.smtp_url else { return Ok(None) };
        let from = settings.from.parse().map_err(|_| OpenError::From)?;
        let transport = transport(server)?;
        Ok(Some(Self { transport, from, server: format!("{}:{}", server.host, server.port) }))
    }

    /// Sends a message to one email address, and returns once the mail server has accepted it.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, to: &str, message: &Message) -> Result<(), SendError> {
        let mail = self.compose(to, message).ok_or_else(|| SendError::InvalidAddress(to.into()))?;
        let failed = |reason: String| SendError::NotAccepted(self.server.clone(), reason);
        match tokio::time::timeout(SEND_TIMEOUT, self.transport.send(mail)).await {
            Ok(sent) => sent.map(drop).map_err(|error| failed(with_causes(&error))),
            Err(_) => Err(failed(format!("it took longer than {} seconds", SEND_TIMEOUT.as_secs()))),
        }
    }

    fn compose(&self, to: &str, message: &Message) -> Option<lettre::Message> {
        let address: Address = to.parse().ok()?;
        let id = format!("<{}@{}>", Uuid::new_v4(), self.from.email.domain());
        let mail = lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address))
            .message_id(Some(id))
            .subject(&message.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(message.text.clone());
        let mut mail = mail.ok()?;
        // Keeps vacation responders from answering (RFC 3834).
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        mail.headers_mut().insert_raw(HeaderValue::new(automatic, "auto-generated".into()));
        Some(mail)
    }
}

fn transport(server: &SmtpServer) -> Result<AsyncSmtpTransport<Tokio1Executor>, OpenError> {
    let parameters =
        || TlsParameters::new(server.host.clone()).map_err(|error| OpenError::Tls(with_causes(&error)));
    let tls = match server.tls {
        MailTls::Always => Tls::Wrapper(parameters()?),
        MailTls::StartTls => Tls::Required(parameters()?),
        MailTls::Never => Tls::None,
    };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host).port(server.port);
    let builder = builder.tls(tls).timeout(Some(RESPONSE_TIMEOUT));
    Ok(match &server.credentials {
        Some((user, password)) => {
            builder.credentials(Credentials::new(user.clone(), password.expose().into())).build()
        }
        None => builder.build(),
    })
}

/// An error with its causes, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        // Some errors include their causes.
        let reason = next.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailer(from: &str) -> Result<Option<Mailer>, OpenError> {
        let smtp_url = Some(SmtpServer::parse("smtp://localhost").expect("an address"));
        Mailer::open(&MailSettings { smtp_url, from: from.into() })
    }

    #[test]
    fn sending_mail_requires_a_sender() {
        assert!(
            Mailer::open(&MailSettings { smtp_url: None, from: String::new() })
                .is_ok_and(|none| none.is_none())
        );
        for from in ["sync@example.org", "Our notes <sync@example.org>"] {
            assert!(mailer(from).is_ok_and(|mailer| mailer.is_some()), "{from}");
        }
        for from in ["", "nobody", "a@b, c@d", "a@b\r\nBcc: c@d"] {
            assert!(matches!(mailer(from), Err(OpenError::From)), "{from:?}");
        }
    }

    #[test]
    fn messages_cannot_inject_headers_and_email_addresses_cannot_inject_recipients() {
        let mailer = mailer("sync@example.org").expect("settings").expect("a mailer");
        let message = Message { subject: "x\r\nBcc: eve@example.org".into(), text: "a\r\n.\r\nb".into() };
        let mail = mailer.compose("ada@example.org", &message).expect("a message");
        assert_eq!(mail.envelope().to().len(), 1);
        let formatted = String::from_utf8(mail.formatted()).expect("ASCII");
        let (headers, _) = formatted.split_once("\r\n\r\n").expect("headers and a body");
        assert!(headers.lines().all(|line| !line.starts_with("Bcc")), "{headers}");
        for to in [
            "ada@example.org\r\nBcc: eve@example.org",
            "a@b.c, d@e.f",
            "a@b.c>\r\nRCPT TO:<d@e.f",
            "nobody",
            "",
        ] {
            assert!(mailer.compose(to, &message).is_none(), "{to:?}");
        }
    }
}
