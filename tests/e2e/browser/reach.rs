//! Accessibility of the pages: on phones and desktops, in light and dark, for people with low vision or screen readers.

use crate::browser::sign_in::Fixture;
use crate::browser::window::{Appearance, Window};
use tidelog_test_kit::ManualClockServer;

/// Returns the accessibility faults of a page. Contrast as in WCAG 2.2, 1.4.3.
const FAULTS: &str = r#"
const faults = [];
const root = document.documentElement;
if (root.scrollWidth > root.clientWidth) faults.push(`wider than the window: ${root.scrollWidth} > ${root.clientWidth}`);
if (!root.lang) faults.push('no language');
if (document.querySelectorAll('h1').length !== 1) faults.push('not one heading');
if (!document.querySelector('main')) faults.push('no main part');
for (const input of document.querySelectorAll('input:not([type=hidden]):not([hidden])')) {
  if (!input.labels.length || !input.labels[0].textContent.trim()) faults.push(`no label: ${input.name}`);
  if (!input.autocomplete) faults.push(`password managers do not know: ${input.name}`);
  if (input.getBoundingClientRect().height < 44) faults.push(`too small to touch: ${input.name}`);
}
for (const button of document.querySelectorAll('button')) {
  if (button.getBoundingClientRect().height < 44) faults.push(`too small to touch: ${button.textContent}`);
}
for (const image of document.querySelectorAll('img')) if (!image.hasAttribute('alt')) faults.push('a picture without words');
const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const parse = c => (c.match(/[\d.]+/g) || []).map(Number);
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ground = node => {
  for (; node; node = node.parentElement) {
    const color = parse(getComputedStyle(node).backgroundColor);
    if (color.length === 3 || color[3] > 0) return color;
  }
  return [255, 255, 255];
};
for (const node of document.querySelectorAll('main *')) {
  const hasText = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
  if (!hasText || !node.getClientRects().length || node.closest('svg')) continue;
  const style = getComputedStyle(node);
  const [a, b] = [luminance(parse(style.color)), luminance(ground(node))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  if (ratio < (isLarge ? 3 : 4.5)) faults.push(`hard to read (${ratio.toFixed(2)}): ${node.textContent.trim().slice(0, 40)}`);
}
return faults;
"#;

const LOOKS: [Appearance; 3] = [
    Appearance { width: 390, dark: false },
    Appearance { width: 1280, dark: false },
    Appearance { width: 390, dark: true },
];

async fn assert_accessible(fixture: &Fixture, title: &str, appearance: Appearance) {
    fixture.window.wait_for_title(title).await;
    let faults = fixture.window.evaluate(FAULTS).await;
    assert_eq!(faults, serde_json::json!([]), "{title} at {appearance:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_the_window_and_is_legible_and_labelled() {
    for appearance in LOOKS {
        let server = tokio::task::block_in_place(|| ManualClockServer::start(&[("auth.sign_up", "open")]));
        let fixture = Fixture::with(server, Window::open_with(appearance).await);
        let at = |path: &str| format!("{}{path}", fixture.server().url());
        let window = &fixture.window;
        for (path, title) in [
            ("/sign-up", "Create an account"),
            ("/invite/none", "This link is no longer valid"),
            ("/oauth/authorize", "This app can't connect"),
            ("/oauth/consent", "This page has expired"),
            ("/account", "Sign in"),
        ] {
            window.goto(&at(path)).await;
            assert_accessible(&fixture, title, appearance).await;
        }
        window.goto(&fixture.request()).await;
        assert_accessible(&fixture, "Sign in", appearance).await;
        window.fill("Email", "a.rather.long.name.that.goes.on@a.rather.long.domain.example.org").await;
        window.fill("Password", "wrong").await;
        window.click("Sign in").await;
        window.wait_for_text("Incorrect").await;
        assert_accessible(&fixture, "Sign in", appearance).await;
        fixture.sign_in().await;
        assert_accessible(&fixture, "Allow dev to sync?", appearance).await;
        tokio::task::block_in_place(|| {
            fixture.server().signed_in_caller().device("A laptop with a name that nobody would give it")
        });
        window.goto(&at("/account")).await;
        fixture.sign_in().await;
        assert_accessible(&fixture, "Your account", appearance).await;
        window.click("Turn on").await;
        assert_accessible(&fixture, "Turn on two-factor authentication", appearance).await;
        let phone =
            tidelog_test_kit::Authenticator::new(&window.find("code").await.text().await.expect("a secret"));
        window.fill("6-digit code", &phone.code(fixture.server().now_seconds())).await;
        window.click("Turn on").await;
        assert_accessible(&fixture, "Your recovery codes", appearance).await;
        window.click("I've saved these codes").await;
        assert_accessible(&fixture, "Your account", appearance).await;
        window.click("Delete account").await;
        assert_accessible(&fixture, "Delete your account?", appearance).await;
        window.goto(&fixture.request()).await;
        fixture.sign_in().await;
        assert_accessible(&fixture, "Two-factor authentication", appearance).await;
        window.click("Use a recovery code").await;
        assert_accessible(&fixture, "Use a recovery code", appearance).await;
    }
}
