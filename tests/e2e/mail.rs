//! Mail: invites and reset links, sent only to the right recipient.

use serde_json::json;

use crate::mail_server::MailServer;
use tidelog_test_kit::{PASSWORD, Server, ServerSetup, text};

/// Starts a server that allows sign-up by invite, and sends its mail through this mail server.
fn with_mail(mail: &MailServer) -> Server {
    mail.start_tidelog(ServerSetup::default().with("TIDELOG_AUTH_SIGN_UP", "invite"))
}

fn request_reset(server: &Server, email: &str) -> String {
    let tab = server.tab();
    let page = tab.open("/forgot-password").expect(200).expect_title("Reset your password");
    tab.send(&page, &[("email", email)]).expect(200).expect_title("Check your email").text
}

/// Returns the page without the parts that differ each time.
fn without_nonce(page: &str) -> String {
    let nonce = page.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a nonce");
    page.replace(nonce, "")
}

#[test]
fn a_mailed_invite_shows_its_link_to_the_recipient_only() {
    let mail = MailServer::start();
    let server = with_mail(&mail);
    server.new_app("Noten für Ümit");
    let created =
        server.cli().run(&["invite", "create", "--mail", " Ada@example.org", "--app", "Noten für Ümit"]);
    let created = created.json();
    assert_eq!(
        (&created["mailed_to"], &created["uses"], &created["app"]),
        (&json!("ada@example.org"), &json!(1), &json!("Noten für Ümit"))
    );
    assert!(created["invite_id"].is_string() && created["expires_at"].is_string());
    assert!(!created.to_string().contains("tll_"), "{created}");
    let message = mail.next();
    assert_eq!(
        (message.to().as_str(), message.header("From").as_str()),
        ("ada@example.org", "Notes <sync@example.org>")
    );
    assert_eq!(message.header("Subject"), "You're invited to Noten für Ümit");
    assert_eq!(message.header("Auto-Submitted"), "auto-generated");
    assert!(
        message.header("Content-Type").starts_with("text/plain") && message.text().contains("Noten für Ümit")
    );
    let tab = server.tab();
    let page = tab.open(&message.link()).expect(200).expect_title("Create an account for Noten für Ümit");
    tab.send(&page, &[("email", "ada@example.org"), ("password", PASSWORD)]).expect(200);
    tab.open(&message.link()).expect(404);
    let refused = server.cli().run(&["invite", "create", "--mail", "ada@b@example.org"]).expect_refusal();
    assert!(refused.contains("invalid email address"), "{refused}");
    assert_eq!(server.cli().run(&["invite", "list"]).json(), json!([]), "it is withdrawn");
}

#[test]
fn an_operator_mails_a_reset_link_with_and_without_a_running_server() {
    let mail = MailServer::start();
    let mut server = with_mail(&mail);
    server.new_user("ada@example.org");
    let reset =
        |server: &Server| server.cli().run(&["user", "reset-password", "ada@example.org", "--mail"]).json();
    let created = reset(&server);
    assert_eq!(created["mailed_to"], "ada@example.org");
    assert!(created["url"].is_null() && !created.to_string().contains("tll_"), "{created}");
    let (tab, message) = (server.tab(), mail.next());
    let page = tab.open(&message.link()).expect(200).expect_title("Set a new password");
    tab.send(&page, &[("password", "another password")])
        .expect(200)
        .expect_title("Your password has been changed");
    server.stop();
    reset(&server);
    assert_eq!(mail.next().to(), "ada@example.org");
    let refused =
        server.cli().run(&["user", "reset-password", "nobody@example.org", "--mail"]).expect_refusal();
    assert!(refused.contains("nobody@example.org"), "{refused}");
}

#[test]
fn without_a_mail_server_commands_name_the_setting() {
    let server = Server::start();
    server.new_user("ada@example.org");
    server.tab().open("/forgot-password").expect(404);
    assert!(!server.tab().open("/account").expect(200).text.contains("/forgot-password"));
    for arguments in [
        vec!["invite", "create", "--mail", "bob@example.org"],
        vec!["user", "reset-password", "ada@example.org", "--mail"],
    ] {
        let refused = server.cli().run(&arguments).expect_refusal();
        assert!(refused.contains("mail.smtp_url") && refused.contains("mail.from"), "{refused}");
    }
    assert_eq!(server.cli().run(&["invite", "list"]).json(), json!([]));
}

#[test]
fn a_link_that_cannot_be_mailed_is_revoked() {
    let mail = MailServer::start();
    let server = with_mail(&mail);
    server.new_user("ada@example.org");
    mail.refuse();
    let invite = ["invite", "create", "--mail", "bob@example.org"];
    let refused = server.cli().run(&invite).expect_failure();
    assert!(refused.contains("Not today") && refused.contains("revoked"), "{refused}");
    drop(mail);
    for arguments in [&invite[..], &["user", "reset-password", "ada@example.org", "--mail"]] {
        let failed = server.cli().run(arguments).expect_failure();
        assert!(failed.contains("mail server at 127.0.0.1") && failed.contains("revoked"), "{failed}");
    }
    assert_eq!(server.cli().run(&["invite", "list"]).json(), json!([]));
}

#[test]
fn a_forgotten_password_gets_a_link_and_an_unknown_email_the_same_page() {
    let mail = MailServer::start();
    let server = with_mail(&mail);
    for email in ["ada@example.org", "bob@example.org", "eve@example.org"] {
        server.new_user(email);
    }
    server.cli().run(&["user", "disable", "eve@example.org"]).json();
    assert!(server.tab().open("/account").expect(200).text.contains("/forgot-password"));
    let pages = [
        request_reset(&server, "nobody@example.org"),
        request_reset(&server, "eve@example.org"),
        request_reset(&server, "no address"),
        request_reset(&server, "ada@example.org, eve@example.org"),
        request_reset(&server, " ADA@example.org"),
    ];
    assert!(
        pages.iter().all(|page| without_nonce(page) == without_nonce(&pages[0])),
        "the page is the same for all"
    );
    let message = mail.next();
    assert_eq!(
        (message.to().as_str(), message.header("Subject").as_str()),
        ("ada@example.org", "Reset your password")
    );
    assert!(
        message.text().contains("you can ignore it") && message.text().contains("passphrase"),
        "{}",
        message.text()
    );
    assert!(message.link().starts_with(&format!("{}/reset/", server.url())), "{}", message.link());
    assert!(!message.text().contains("ADA@"), "no typed input");
    // Each account gets only one mail at a time, so the next mail goes to another recipient.
    request_reset(&server, "ada@example.org");
    request_reset(&server, "bob@example.org");
    assert_eq!(mail.next().to(), "bob@example.org");
    let tab = server.tab();
    let page = tab.open(&message.link()).expect(200);
    tab.send(&page, &[("password", "another password")])
        .expect(200)
        .expect_title("Your password has been changed");
}

#[test]
fn a_mailed_link_uses_the_public_url_and_never_the_host_header() {
    let mail = MailServer::start();
    let server =
        mail.start_tidelog(ServerSetup::default().with("TIDELOG_PUBLIC_URL", "http://sync.example.org/"));
    server.new_user("ada@example.org");
    let tab = server.tab().with("x-forwarded-host", "evil.example");
    // Requested under another host name: its IP address.
    let page = tab.open("/forgot-password").expect(200);
    tab.send(&page, &[("email", "ada@example.org")]).expect(200);
    assert!(mail.next().link().starts_with("http://sync.example.org/reset/tll_"));
}

#[test]
fn cross_site_forms_and_rate_limited_ones_send_no_mail() {
    let mail = MailServer::start();
    let setup = ServerSetup::default()
        .with("TIDELOG_AUTH_RATE_LIMIT_IP_BURST", "3")
        .with("TIDELOG_AUTH_RATE_LIMIT_IP_PER_SECOND", "1");
    let server = mail.start_tidelog(setup.with("TIDELOG_TRUSTED_PROXIES", "127.0.0.1"));
    for email in ["ada@example.org", "bob@example.org"] {
        server.new_user(email);
    }
    let foreign = [("email".to_owned(), "ada@example.org".to_owned()), ("flow".to_owned(), "x".to_owned())];
    server.tab().post("/forgot-password", &foreign).expect(400);
    let tab = server.tab().with("x-forwarded-for", "192.0.2.1");
    let page = tab.open("/forgot-password").expect(200);
    let statuses: Vec<_> = (0..40)
        .map(|number| tab.send(&page, &[("email", &format!("{number}@example.org"))]).status)
        .collect();
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
    request_reset(&server, "bob@example.org");
    assert_eq!(mail.next().to(), "bob@example.org");
}

#[test]
fn mail_is_sent_over_tls_with_a_verified_certificate() {
    for how in ["smtps", "starttls"] {
        let mail = MailServer::start_with(how);
        let trusting = |certificates: &str| {
            mail.start_tidelog(ServerSetup::default().with("SSL_CERT_FILE", certificates))
        };
        let server = trusting(mail.certificates().to_str().expect("a path"));
        server.new_user("ada@example.org");
        let reset = ["user", "reset-password", "ada@example.org", "--mail"];
        server.cli().run(&reset).json();
        let message = mail.next();
        assert!(message.over_tls() && message.to() == "ada@example.org", "{how}");
        let other = MailServer::start_with(how);
        let server = trusting(other.certificates().to_str().expect("a path"));
        server.new_user("ada@example.org");
        let failed = server.cli().run(&reset).expect_failure();
        assert!(failed.contains("certificate") && !failed.contains("p@ss"), "{how}: {failed}");
    }
}

#[test]
fn the_password_of_the_mail_server_is_never_shown() {
    let mail = MailServer::start_with("smtps");
    let server = mail.start_tidelog(ServerSetup::default());
    let shown = server.cli().run(&["config"]).json();
    assert!(!shown.to_string().contains("p%40ss"), "{shown}");
    let smtp = shown
        .as_array()
        .expect("settings")
        .iter()
        .find(|shown| shown["key"] == "mail.smtp_url")
        .expect("a setting");
    assert_eq!(text(&smtp["value"]), "(hidden)");
    assert!(!server.log().contains("p%40ss") && !server.log().contains("p@ss"));
}
