//! Managing an account in a browser.

use crate::browser::sign_in::Fixture;
use tidelog_test_kit::Authenticator;

#[tokio::test(flavor = "multi_thread")]
async fn a_user_turns_on_two_factor_authentication_from_the_page() {
    let fixture = Fixture::new().await;
    fixture.window.goto(&format!("{}/account", fixture.server().url())).await;
    fixture.sign_in().await;
    fixture.window.wait_for_title("Your account").await;
    fixture.window.click("Turn on").await;
    fixture.window.wait_for_title("Turn on two-factor authentication").await;
    assert!(fixture.window.has("svg.qr-code path").await);
    let phone = Authenticator::new(&fixture.window.find("code").await.text().await.expect("a secret"));
    fixture.window.fill("6-digit code", &phone.code(fixture.server().now_seconds())).await;
    fixture.window.double_click("Turn on").await;
    fixture.window.wait_for_title("Your recovery codes").await;
    let shown = fixture.window.find("ol.recovery-codes").await.text().await.expect("codes");
    assert_eq!(shown.lines().count(), 10, "{shown}");
    fixture.window.click("I've saved these codes").await;
    fixture.window.wait_for_text("10 of 10 recovery codes left").await;
    fixture.window.click("Sign out").await;
    fixture.window.wait_for_text("Manage your password").await;
    fixture.sign_in().await;
    fixture.window.wait_for_title("Two-factor authentication").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_ends_one_session_and_then_all() {
    let fixture = Fixture::new().await;
    let app = tokio::task::block_in_place(|| {
        let app = fixture.server().signed_in_caller();
        app.device("Laptop");
        app
    });
    fixture.window.goto(&format!("{}/account", fixture.server().url())).await;
    fixture.sign_in().await;
    fixture.window.wait_for_text("Laptop").await;
    fixture.window.click("Revoke").await;
    fixture.window.wait_for_text("Access revoked.").await;
    tokio::task::block_in_place(|| app.get("/api/sync/status").expect_error(401, "unauthenticated"));
    fixture.window.click("Remove").await;
    fixture.window.wait_for_text("Device removed.").await;
    fixture.window.click("Delete account").await;
    fixture.window.wait_for_title("Delete your account?").await;
    fixture.window.fill("Password", "wrong").await;
    fixture.window.click("Delete account").await;
    fixture.window.wait_for_text("Nothing was deleted").await;
    fixture.window.fill("Password", fixture.server().password()).await;
    fixture.window.click("Delete account").await;
    fixture.window.wait_for_title("Your account has been deleted").await;
    fixture.window.goto(&format!("{}/account", fixture.server().url())).await;
    fixture.sign_in().await;
    fixture.window.wait_for_text("Incorrect email or password.").await;
}
