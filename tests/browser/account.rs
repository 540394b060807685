//! A person looks after their account.

use crate::sign_in::World;
use crate::support::Authenticator;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_turns_the_second_factor_on_with_what_the_page_shows() {
    let world = World::new().await;
    world.window.goto(&format!("{}/account", world.server().url())).await;
    world.log_in().await;
    world.window.shows("Your account").await;
    world.window.click("Turn on").await;
    world.window.shows("Turn on the second factor").await;
    assert!(world.window.has("svg.squares path").await);
    let phone = Authenticator::new(&world.window.find("code").await.text().await.expect("a secret"));
    world.window.fill("The code that it shows now", &phone.code(world.server().now_seconds())).await;
    world.window.double_click("Turn on").await;
    world.window.shows("Your recovery codes").await;
    let shown = world.window.find("ol.codes").await.text().await.expect("codes");
    assert_eq!(shown.lines().count(), 10, "{shown}");
    world.window.click("I have kept them").await;
    world.window.says("10 of 10 recovery codes are left").await;
    world.window.click("Log out").await;
    world.window.says("This is where you look after your account").await;
    world.log_in().await;
    world.window.shows("Enter your code").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_ends_a_session_and_then_everything() {
    let world = World::new().await;
    let app = tokio::task::block_in_place(|| {
        let app = world.server().somebody();
        app.device("Laptop");
        app
    });
    world.window.goto(&format!("{}/account", world.server().url())).await;
    world.log_in().await;
    world.window.says("Laptop").await;
    world.window.click("End").await;
    world.window.says("The session has ended.").await;
    tokio::task::block_in_place(|| app.get("/api/sync/status").refused(401, "unauthenticated"));
    world.window.click("Remove").await;
    world.window.says("The device is removed.").await;
    world.window.click("Delete this account").await;
    world.window.shows("Delete your account?").await;
    world.window.fill("Your password", "wrong").await;
    world.window.click("Delete my account").await;
    world.window.says("nothing was deleted").await;
    world.window.fill("Your password", world.server().password()).await;
    world.window.click("Delete my account").await;
    world.window.shows("Your account is deleted").await;
    world.window.goto(&format!("{}/account", world.server().url())).await;
    world.log_in().await;
    world.window.says("The e-mail address or the password is wrong.").await;
}
