//! Managing an account in a browser.

use crate::browser::sign_in::World;
use tidelog_test_kit::Authenticator;

#[tokio::test(flavor = "multi_thread")]
async fn a_user_turns_on_two_factor_authentication_from_the_page() {
    let world = World::new().await;
    world.window.goto(&format!("{}/account", world.server().url())).await;
    world.log_in().await;
    world.window.shows("Your account").await;
    world.window.click("Turn on").await;
    world.window.shows("Turn on two-factor authentication").await;
    assert!(world.window.has("svg.qr-code path").await);
    let phone = Authenticator::new(&world.window.find("code").await.text().await.expect("a secret"));
    world.window.fill("6-digit code", &phone.code(world.server().now_seconds())).await;
    world.window.double_click("Turn on").await;
    world.window.shows("Your recovery codes").await;
    let shown = world.window.find("ol.recovery-codes").await.text().await.expect("codes");
    assert_eq!(shown.lines().count(), 10, "{shown}");
    world.window.click("I've saved these codes").await;
    world.window.says("10 of 10 recovery codes left").await;
    world.window.click("Sign out").await;
    world.window.says("Manage your password").await;
    world.log_in().await;
    world.window.shows("Two-factor authentication").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_ends_one_session_and_then_all() {
    let world = World::new().await;
    let app = tokio::task::block_in_place(|| {
        let app = world.server().signed_in_caller();
        app.device("Laptop");
        app
    });
    world.window.goto(&format!("{}/account", world.server().url())).await;
    world.log_in().await;
    world.window.says("Laptop").await;
    world.window.click("Revoke").await;
    world.window.says("Access revoked.").await;
    tokio::task::block_in_place(|| app.get("/api/sync/status").expect_error(401, "unauthenticated"));
    world.window.click("Remove").await;
    world.window.says("Device removed.").await;
    world.window.click("Delete account").await;
    world.window.shows("Delete your account?").await;
    world.window.fill("Password", "wrong").await;
    world.window.click("Delete account").await;
    world.window.says("Nothing was deleted").await;
    world.window.fill("Password", world.server().password()).await;
    world.window.click("Delete account").await;
    world.window.shows("Your account has been deleted").await;
    world.window.goto(&format!("{}/account", world.server().url())).await;
    world.log_in().await;
    world.window.says("Incorrect email or password.").await;
}
