//! Cross-site requests and framing have no effect.

use crate::browser::callback::Callback;
use crate::browser::sign_in::Fixture;

#[tokio::test(flavor = "multi_thread")]
async fn no_page_can_be_framed_by_another_site() {
    let fixture = Fixture::new().await;
    let evil = Callback::listen();
    for page in [fixture.request(), format!("{}/account", fixture.server().url())] {
        evil.serve(&format!(
            "<h1>Evil</h1><iframe src=\"{}\" width=800 height=600></iframe>",
            page.replace('&', "&amp;")
        ));
        fixture.window.goto(&evil.at("localhost")).await;
        fixture.window.wait_for_title("Evil").await;
        let framed = fixture.window.text_in_frame().await;
        assert!(!framed.contains("Sign in") && !framed.contains("Email"), "{framed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cross_site_form_does_nothing_even_with_a_valid_state() {
    let fixture = Fixture::new().await;
    fixture.window.goto(&fixture.request()).await;
    fixture.sign_in().await;
    fixture.window.wait_for_title("Allow dev to sync?").await;
    let flow = fixture
        .window
        .find("input[name=flow]")
        .await
        .attr("value")
        .await
        .expect("an answer")
        .expect("a token");
    let evil = Callback::listen();
    evil.serve(&format!(
        "<h1>Evil</h1><form method=post action=\"{}/oauth/consent\"><input name=flow value=\"{flow}\">\
         <button name=decision value=allow>Win a prize</button></form>",
        fixture.server().url()
    ));
    fixture.window.goto(&evil.at("localhost")).await;
    fixture.window.click("Win a prize").await;
    fixture.window.wait_for_title("This page has expired").await;
    assert!(fixture.app.received("code").is_empty());
}
