//! A browser window, controlled through WebDriver. Chromium and its driver come from the system; `scripts/test`
//! installs them.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::wd::TimeoutConfiguration;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// How long a page may take. Far more than it needs: reaching this means that something hangs.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What the driver prints once it listens.
const LISTENS: &str = "started successfully on port ";

/// A window of a new browser profile. It closes when dropped.
pub(crate) struct Window {
    client: Client,
    _driver: Driver,
}

struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The size of a window and its colour scheme.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appearance {
    pub(crate) width: u32,
    pub(crate) dark: bool,
}

impl Window {
    /// A desktop screen.
    pub(crate) async fn open() -> Self {
        Self::open_with(Appearance { width: 1280, dark: false }).await
    }

    /// Opens a window of this look.
    pub(crate) async fn open_with(appearance: Appearance) -> Self {
        let (driver, port) = start_driver();
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-dev-shm-usage".into(),
            format!("--window-size={},900", appearance.width),
        ];
        if appearance.dark {
            arguments.push("--blink-settings=preferredColorScheme=0".into());
        }
        let mut options = json!({ "args": arguments });
        if appearance.width < 600 {
            let metrics = json!({"width": appearance.width, "height": 844, "pixelRatio": 2.0, "touch": true});
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let capabilities = json!({"browserName": "chrome", "goog:chromeOptions": options});
        let Value::Object(capabilities) = capabilities else { unreachable!("it is an object") };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a browser");
        let timeouts = TimeoutConfiguration::new(Some(TIMEOUT), Some(TIMEOUT), None);
        client.update_timeouts(timeouts).await.expect("a browser with a time limit");
        Self { client, _driver: driver }
    }

    /// Opens a URL.
    pub(crate) async fn goto(&self, address: &str) {
        self.client.goto(address).await.expect("a page");
    }

    /// Goes back in the history.
    pub(crate) async fn back(&self) {
        self.client.back().await.expect("a page before");
    }

    /// Reloads the page.
    pub(crate) async fn reload(&self) {
        self.client.refresh().await.expect("the page");
    }

    /// Returns the current URL.
    pub(crate) async fn url(&self) -> String {
        self.client.current_url().await.expect("an address").to_string()
    }

    /// Waits for the page with this title.
    pub(crate) async fn wait_for_title(&self, title: &str) {
        let heading = format!("//h1[normalize-space()={title:?}]");
        if !self.waits_for(&heading).await {
            panic!("{} does not show {title:?} but {}", self.url().await, self.text().await);
        }
    }

    /// Waits for this text anywhere on the page.
    pub(crate) async fn wait_for_text(&self, text: &str) {
        let anywhere = format!("//*[contains(normalize-space(), {text:?})]");
        if !self.waits_for(&anywhere).await {
            panic!("{} does not contain {text:?} but {}", self.url().await, self.text().await);
        }
    }

    /// Repeats a lookup that fails because the page is being replaced by the next.
    async fn waits_for(&self, path: &str) -> bool {
        let appearance = || self.client.wait().for_element(Locator::XPath(path));
        appearance().await.is_ok() || appearance().await.is_ok()
    }

    /// Returns the visible text.
    pub(crate) async fn text(&self) -> String {
        self.find("body").await.text().await.expect("text")
    }

    /// Returns the first element that matches this selector.
    pub(crate) async fn find(&self, selector: &str) -> Element {
        let found = self.client.wait().for_element(Locator::Css(selector)).await;
        found.unwrap_or_else(|fault| panic!("no {selector}: {fault}"))
    }

    /// Returns whether any element matches.
    pub(crate) async fn has(&self, selector: &str) -> bool {
        !self.client.find_all(Locator::Css(selector)).await.expect("an answer").is_empty()
    }

    /// Replaces the content of the field with this label.
    pub(crate) async fn fill(&self, label: &str, text: &str) {
        let field = format!("//input[@id=//label[normalize-space()={label:?}]/@for]");
        let field =
            self.client.find(Locator::XPath(&field)).await.unwrap_or_else(|_| panic!("no field {label}"));
        field.clear().await.expect("an empty field");
        field.send_keys(text).await.expect("what was typed");
    }

    /// Types into the focused element.
    pub(crate) async fn press(&self, keys: &str) {
        let focus = self.client.active_element().await.expect("a focus");
        focus.send_keys(keys).await.expect("keys");
    }

    /// Presses one key in the focused element.
    pub(crate) async fn key(&self, key: Key) {
        self.press(&char::from(key).to_string()).await;
    }

    async fn button(&self, label: &str) -> Element {
        let button = format!("//*[self::button or self::a][normalize-space()={label:?}]");
        self.client.find(Locator::XPath(&button)).await.unwrap_or_else(|_| panic!("no button {label}"))
    }

    /// Clicks a button or a link.
    pub(crate) async fn click(&self, label: &str) {
        self.button(label).await.click().await.expect("a click");
    }

    /// Double-clicks it.
    pub(crate) async fn double_click(&self, label: &str) {
        use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
        let element = self.button(label).await;
        let down = PointerAction::Down { button: MOUSE_BUTTON_LEFT };
        let up = PointerAction::Up { button: MOUSE_BUTTON_LEFT };
        let to = PointerAction::MoveToElement { element, duration: None, x: 0.0, y: 0.0 };
        let mouse = MouseActions::new("mouse".into()).then(to);
        let mouse = mouse.then(down.clone()).then(up.clone()).then(down).then(up);
        self.client.perform_actions(mouse).await.expect("two clicks");
    }

    /// Runs a script in the page and returns its result.
    pub(crate) async fn evaluate(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.expect("a verdict")
    }

    /// Returns the text of the first frame.
    pub(crate) async fn text_in_frame(&self) -> String {
        self.client.enter_frame(0).await.expect("a frame");
        let text = self.text().await;
        self.client.enter_parent_frame().await.expect("the page");
        text
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let client = self.client.clone();
        // Killing only the driver would leave the browser running.
        tokio::task::block_in_place(|| {
            let _ = tokio::runtime::Handle::current().block_on(client.close());
        });
    }
}

/// Starts a driver on a free port, which it prints.
fn start_driver() -> (Driver, u16) {
    let mut child = Command::new("chromedriver")
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("scripts/test has installed chromedriver");
    let output = child.stdout.take().expect("its output");
    let driver = Driver(child);
    let mut lines = BufReader::new(output).lines();
    let port = lines.find_map(|line| {
        let line = line.expect("text");
        let (_, port) = line.split_once(LISTENS)?;
        port.trim_end_matches('.').trim().parse().ok()
    });
    // The driver must be able to keep writing.
    std::thread::spawn(move || lines.for_each(drop));
    (driver, port.expect("the driver prints its port"))
}
