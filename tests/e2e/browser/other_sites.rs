//! Cross-site requests and framing have no effect.

use crate::browser::callback::Callback;
use crate::browser::sign_in::World;

#[tokio::test(flavor = "multi_thread")]
async fn no_page_can_be_framed_by_another_site() {
    let world = World::new().await;
    let evil = Callback::listen();
    for page in [world.request(), format!("{}/account", world.server().url())] {
        evil.serve(&format!(
            "<h1>Evil</h1><iframe src=\"{}\" width=800 height=600></iframe>",
            page.replace('&', "&amp;")
        ));
        world.window.goto(&evil.at("localhost")).await;
        world.window.shows("Evil").await;
        let framed = world.window.text_in_frame().await;
        assert!(!framed.contains("Sign in") && !framed.contains("Email"), "{framed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cross_site_form_does_nothing_even_with_a_valid_state() {
    let world = World::new().await;
    world.window.goto(&world.request()).await;
    world.log_in().await;
    world.window.shows("Allow dev to sync?").await;
    let flow =
        world.window.find("input[name=flow]").await.attr("value").await.expect("an answer").expect("a token");
    let evil = Callback::listen();
    evil.serve(&format!(
        "<h1>Evil</h1><form method=post action=\"{}/oauth/consent\"><input name=flow value=\"{flow}\">\
         <button name=decision value=allow>Win a prize</button></form>",
        world.server().url()
    ));
    world.window.goto(&evil.at("localhost")).await;
    world.window.click("Win a prize").await;
    world.window.shows("This page has expired").await;
    assert!(world.app.heard("code").is_empty());
}
