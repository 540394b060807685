//! First run: setting up a server, and signing up.

use std::fs;

use crate::browser::window::Window;
use tidelog_test_kit::{PASSWORD, Server, ServerSetup};

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_creates_the_first_account_and_views_it() {
    let (server, link) = tokio::task::block_in_place(|| {
        let server = Server::start();
        let link = fs::read_to_string(server.data().join("setup-link")).expect("a link");
        (server, link)
    });
    let window = Window::open().await;
    window.goto(link.trim()).await;
    window.wait_for_title("Set up this server").await;
    window.fill("Email", "root@example.org").await;
    window.fill("Password", PASSWORD).await;
    window.click("Create account").await;
    window.wait_for_title("Your server is ready").await;
    window.click("Go to your account").await;
    window.wait_for_title("Sign in").await;
    window.fill("Email", "root@example.org").await;
    window.fill("Password", PASSWORD).await;
    window.click("Sign in").await;
    window.wait_for_title("Your account").await;
    window.wait_for_text("root@example.org").await;
    window.goto(link.trim()).await;
    window.wait_for_title("This link is no longer valid").await;
    tokio::task::block_in_place(|| drop(server));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invited_user_signs_up_with_a_double_click_and_no_scrolling() {
    let (server, url) = tokio::task::block_in_place(|| {
        let server = ServerSetup::default().with("TIDELOG_AUTH_SIGN_UP", "invite").start();
        server.new_app("Field Notes");
        let created = server.cli().run(&["invite", "create", "--app", "Field Notes"]).json();
        (server, created["url"].as_str().expect("an address").to_owned())
    });
    let window = Window::open().await;
    window.goto(&url).await;
    window.wait_for_title("Create an account for Field Notes").await;
    window.fill("Email", "ada@example.org").await;
    // The browser itself refuses a password that is too short.
    window.fill("Password", "short").await;
    window.click("Create account").await;
    window.wait_for_title("Create an account for Field Notes").await;
    window.fill("Password", PASSWORD).await;
    window.double_click("Create account").await;
    window.wait_for_title("Your account is ready").await;
    window.wait_for_text("ada@example.org").await;
    window.goto(&url).await;
    window.wait_for_title("This link is no longer valid").await;
    let users = tokio::task::block_in_place(|| server.cli().run(&["user", "list"]).json());
    assert_eq!(users.as_array().map(Vec::len), Some(1));
}
