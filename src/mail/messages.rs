//! The messages that the server mails. They contain nothing that a stranger typed, so nobody can write to others
//! through this server.

use chrono::DateTime;

/// A message without its addresses. No `Debug`: it holds a secret link.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    pub(super) subject: String,
    /// Plain text.
    pub(super) text: String,
}

impl Message {
    /// An invite to create an account with `link`, for an app if one is named. `expires_at` is in microseconds since
    /// 1970.
    pub fn invite(app: Option<&str>, site: &str, link: &str, expires_at: i64) -> Self {
        let app = app.map(one_line);
        let for_app = app.as_ref().map_or_else(String::new, |app| format!(" for {app}"));
        let to_app = app.map_or_else(String::new, |app| format!(" to {app}"));
        let expires = time(expires_at);
        let text = format!(
            "Hello,\n\n\
             You have been invited to create an account{for_app} at\n{site}\n\n\
             Create your account with this link. It works once, until {expires}:\n\n{link}\n\n\
             Your account keeps your devices in sync. Everything you store is encrypted\n\
             on your device first, with a passphrase that your app asks for.\n\n\
             If you didn't expect this email, you can ignore it: no account is created\n\
             unless somebody uses the link.\n"
        );
        Self { subject: format!("You're invited{to_app}"), text }
    }

    /// A link to set a new password. `expires_at` is in microseconds since 1970.
    pub fn password_reset(site: &str, link: &str, expires_at: i64) -> Self {
        let expires = time(expires_at);
        let text = format!(
            "Hello,\n\n\
             You can set a new password for your account at\n{site}\n\n\
             with this link. It works once, until {expires}:\n\n{link}\n\n\
             Your apps will be signed out and must sign in with the new password.\n\
             The passphrase that encrypts your data stays the same.\n\n\
             If you didn't ask for this email, you can ignore it: your password doesn't\n\
             change unless somebody uses the link.\n"
        );
        Self { subject: "Reset your password".into(), text }
    }
}

/// A name without the characters that could start a new line.
fn one_line(name: &str) -> String {
    name.chars().filter(|char| !char.is_control() && !matches!(char, '\u{2028}' | '\u{2029}')).collect()
}

/// A time for people to read.
fn time(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .map_or_else(String::new, |time| time.format("%-d %B %Y, %H:%M UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_link_its_expiry_and_a_way_to_ignore_it() {
        let (site, link, expires_at) =
            ("https://sync.example.org", "https://sync.example.org/x/tll_1", 1_795_300_000_000_000);
        let invite = Message::invite(Some("Notes\r\nBcc: eve@example.org"), site, link, expires_at);
        assert_eq!(invite.subject, "You're invited to NotesBcc: eve@example.org");
        for message in [
            Message::invite(None, site, link, expires_at),
            invite,
            Message::password_reset(site, link, expires_at),
        ] {
            assert!(
                message.text.contains(&format!("\n{link}\n")) && message.text.contains("you can ignore it")
            );
            assert!(message.text.contains("21 November 2026, 22:26 UTC"), "{}", message.text);
            assert!(message.text.contains("passphrase"));
        }
    }
}
