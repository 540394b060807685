//! What the mails say. Nothing that a stranger typed is in them: whoever asks for a mail to somebody else cannot write it.

use chrono::DateTime;

/// A mail's content.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// What stands above it.
    pub(super) subject: String,
    /// Plain text. It holds a link, so there is no `Debug`.
    pub(super) text: String,
}

impl Letter {
    /// To somebody who may make an account, perhaps for an app of this name, by this link until then (microseconds since 1970).
    pub fn invite(app: Option<&str>, site: &str, link: &str, until_us: i64) -> Self {
        let app = app.map(one_line);
        let what_for = app.as_ref().map_or_else(String::new, |app| format!(" for {app}"));
        let until = time(until_us);
        let text = format!(
            "Hello,\n\n\
             you are invited to make an account{what_for} at\n{site}\n\n\
             Here is the way in. It is good once, until {until}:\n\n{link}\n\n\
             With the account your devices sync. What they store there is encrypted\n\
             before it leaves them, under a passphrase that your app asks for.\n\n\
             If you do not know what this is about, ignore this mail: as long as\n\
             nobody follows the link, there is no account.\n"
        );
        Self {
            subject: format!("An invite{}", app.map_or_else(String::new, |app| format!(" to {app}"))),
            text,
        }
    }

    /// To somebody who may set a new password for their account, by this link until then (microseconds since 1970).
    pub fn reset(site: &str, link: &str, until_us: i64) -> Self {
        let until = time(until_us);
        let text = format!(
            "Hello,\n\n\
             here is a link to set a new password for your account at\n{site}\n\n\
             It is good once, until {until}:\n\n{link}\n\n\
             It changes the password by which you log in, and every app has to sign\n\
             in again. The passphrase that encrypts your data stays what it is.\n\n\
             If you did not ask for this, ignore this mail: your password stays what\n\
             it is as long as nobody follows the link.\n"
        );
        Self { subject: "Set a new password".into(), text }
    }
}

/// A name, without what could begin a line of its own.
fn one_line(name: &str) -> String {
    name.chars().filter(|char| !char.is_control() && !matches!(char, '\u{2028}' | '\u{2029}')).collect()
}

/// A time as people write it.
fn time(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .map_or_else(String::new, |time| time.format("%-d %B %Y, %H:%M UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_says_where_to_until_when_and_who_may_ignore_it() {
        let (site, link, until_us) =
            ("https://sync.example.org", "https://sync.example.org/x/tll_1", 1_795_300_000_000_000);
        let invite = Letter::invite(Some("Notes\r\nBcc: eve@example.org"), site, link, until_us);
        assert_eq!(invite.subject, "An invite to NotesBcc: eve@example.org");
        for letter in
            [Letter::invite(None, site, link, until_us), invite, Letter::reset(site, link, until_us)]
        {
            assert!(letter.text.contains(&format!("\n{link}\n")) && letter.text.contains("ignore this mail"));
            assert!(letter.text.contains("21 November 2026, 22:26 UTC"), "{}", letter.text);
            assert!(letter.text.contains("passphrase"));
        }
    }
}
