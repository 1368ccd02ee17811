//! A browser with the page in it, for one test: the preview, the driver and the browser all end with it.

use std::fs::File;
use std::future::Future;
use std::io::{BufRead as _, BufReader, Seek as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// Bounds a wait: it turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(30);

/// The page in its browser.
#[derive(Clone)]
pub(crate) struct Page {
    pub(crate) client: Client,
    /// Where the preview listens: `127.0.0.1:PORT`.
    pub(crate) address: String,
}

/// A process that is killed when its test is over.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program, and reads its output up to a line in which something is found.
fn started(command: &mut Command, find: impl Fn(&str) -> Option<String>) -> (Process, String) {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; run `make test-page`"));
    let mut process = Process(child);
    let out = process.0.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(out).lines();
    let found = lines.find_map(|line| find(&line.ok()?));
    let found =
        found.unwrap_or_else(|| panic!("{command:?} ended before it said where it listens"));
    // Who writes into a pipe that is closed ends.
    std::thread::spawn(move || lines.for_each(drop));
    (process, found)
}

/// Runs a test in a browser; `manifest` is what the page begins with.
pub(crate) fn browse<F>(manifest: &str, test: impl FnOnce(Page) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let program =
        std::env::var("SILKROLL").expect("SILKROLL names the program: run `make test-page`");
    let mut preview = Command::new(program);
    preview.arg("preview");
    if !manifest.is_empty() {
        let mut file: File = tempfile::tempfile().unwrap();
        file.write_all(manifest.as_bytes()).unwrap();
        file.rewind().unwrap();
        preview.args(["-f", "-"]).stdin(file);
    }
    let (_preview, address) = started(&mut preview, |line| {
        let rest = line.strip_prefix("http://")?;
        rest.strip_suffix("/dry-run").map(str::to_owned)
    });
    let (_driver, port) = started(Command::new("chromedriver").arg("--port=0"), |line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        Some(port.trim_end_matches('.').to_owned())
    });
    let profile = tempfile::tempdir().unwrap();
    let options = json!({
        "goog:loggingPrefs": {"browser": "ALL"},
        "goog:chromeOptions": {"args": [
            "--headless=new",
            // There are no users to keep from each other in a container of a test, and root has no sandbox.
            "--no-sandbox",
            "--disable-gpu",
            // Grey edges of letters make the picture smaller.
            "--disable-lcd-text",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--window-size=1400,1000",
            format!("--user-data-dir={}", profile.path().display()),
            // As an attacker's name that leads to loopback does.
            "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ]},
    });
    let Value::Object(options) = options else {
        unreachable!("it is one")
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let panicked = runtime.block_on(async {
        // Plain: the driver is on this machine.
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(options)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a browser");
        let page = Page {
            client: client.clone(),
            address,
        };
        page.open().await;
        let test = test(page);
        let ended = tokio::spawn(test).await;
        // So that the browser ends, however the test did.
        let _ = client.close().await;
        ended.err()
    });
    if let Some(error) = panicked {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// A command of this driver alone.
#[derive(Debug)]
struct Own(&'static str, Value);

impl WebDriverCompatibleCommand for Own {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!(
            "session/{}/{}",
            session.unwrap_or_default(),
            self.0
        ))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.1.to_string()))
    }
}

impl Page {
    /// Opens the page, and waits until it is ready.
    pub(crate) async fn open(&self) {
        let url = format!("http://{}/dry-run", self.address);
        self.client.goto(&url).await.unwrap();
        self.until("document.documentElement.dataset.ready === 'true'")
            .await;
    }

    /// What a script says. The page's own policy does not apply to it.
    pub(crate) async fn ask(&self, script: &str) -> Value {
        let script = format!("return ({script});");
        self.client.execute(&script, vec![]).await.unwrap()
    }

    /// Waits until a script says true.
    pub(crate) async fn until(&self, script: &str) {
        let begun = Instant::now();
        while self.ask(script).await != Value::Bool(true) {
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {script}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(crate) async fn find(&self, css: &str) -> Element {
        let found = self.client.find(Locator::Css(css)).await;
        found.unwrap_or_else(|error| panic!("{css}: {error}"))
    }

    pub(crate) async fn click(&self, css: &str) {
        self.find(css)
            .await
            .click()
            .await
            .unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        self.find(css).await.text().await.unwrap()
    }

    /// Asks the browser by its own protocol.
    pub(crate) async fn cdp(&self, command: &str, params: Value) -> Value {
        let own = Own(
            "goog/cdp/execute",
            json!({"cmd": command, "params": params}),
        );
        self.client.issue_cmd(own).await.unwrap()
    }

    /// Puts text where the focus is, as a paste does.
    pub(crate) async fn insert(&self, text: &str) {
        self.cdp("Input.insertText", json!({"text": text})).await;
    }

    /// Clicks into the field, and puts a manifest in the place of what is there.
    pub(crate) async fn fill(&self, manifest: &str) {
        self.find("#manifest").await.clear().await.unwrap();
        self.click("#manifest").await;
        self.insert(manifest).await;
    }

    /// Waits for the answer, and says what the page says of it.
    pub(crate) async fn outcome(&self) -> String {
        self.until("!/^(Asking|Nothing has been run)/.test(document.getElementById('outcome').textContent)").await;
        self.text("#outcome").await
    }

    /// Which part of the manifest is selected.
    pub(crate) async fn selected(&self) -> String {
        let script = "(({value, selectionStart, selectionEnd}) => value.slice(selectionStart, selectionEnd))(document.getElementById('manifest'))";
        self.ask(script).await.as_str().unwrap().to_owned()
    }

    /// What the browser has complained of: what the page's policy forbids, errors of its script.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let own = Own("se/log", json!({"type": "browser"}));
        let log = self.client.issue_cmd(own).await.unwrap();
        let lines = log.as_array().unwrap().iter();
        lines
            .map(|line| line["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// A picture of a part of the page, as PNG.
    pub(crate) async fn picture(&self, clip: Value) -> Vec<u8> {
        let params = json!({"format": "png", "clip": clip, "captureBeyondViewport": true});
        let answer = self.cdp("Page.captureScreenshot", params).await;
        STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
    }
}
