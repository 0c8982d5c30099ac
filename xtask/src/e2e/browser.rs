//! A real, headless browser, driven over WebDriver (W3C Recommendation).

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::command;

/// A browser window.
pub struct Browser {
    driver: Child,
    session: String,
    /// Its profile; gone with it.
    profile: std::path::PathBuf,
}

/// Key of an element's reference in WebDriver's answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

impl Browser {
    /// Opens a window of this width.
    pub fn open(folder: &Path, width: u32) -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start `chromedriver`")?;
        let profile = folder.join(format!("browser-{port}"));
        let mut browser = Self { driver, session: format!("http://127.0.0.1:{port}/session"), profile };
        browser.await_driver(port)?;
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            format!("--window-size={width},1400"),
            format!("--user-data-dir={}", browser.profile.display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": { "args": arguments } } } });
        let answer = call("POST", &browser.session, Some(&wanted))?;
        let id = answer["sessionId"].as_str().context("no browser session")?;
        browser.session = format!("{}/{id}", browser.session);
        Ok(browser)
    }

    fn await_driver(&self, port: u16) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("`chromedriver` does not answer");
    }

    /// Goes to an address.
    pub fn go(&self, address: &str) -> Result<()> {
        call("POST", &format!("{}/url", self.session), Some(&json!({ "url": address }))).map(drop)
    }

    /// Presses the first element that this CSS selector finds.
    pub fn press(&self, selector: &str) -> Result<()> {
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = call("POST", &format!("{}/element", self.session), Some(&wanted))?;
        let element = found[ELEMENT].as_str().with_context(|| format!("no `{selector}` on the page"))?;
        call("POST", &format!("{}/element/{element}/click", self.session), Some(&json!({}))).map(drop)
    }

    /// What this JavaScript expression gives.
    pub fn evaluate(&self, expression: &str) -> Result<Value> {
        let script = json!({ "script": format!("return {expression};"), "args": [] });
        call("POST", &format!("{}/execute/sync", self.session), Some(&script))
    }

    /// The words of the page.
    pub fn text(&self) -> Result<String> {
        Ok(self.evaluate("document.body.innerText")?.as_str().unwrap_or_default().to_owned())
    }

    /// Saves a picture of the window as PNG.
    pub fn picture(&self, file: &Path) -> Result<()> {
        let answer = call("GET", &format!("{}/screenshot", self.session), None)?;
        let encoded = file.with_extension("base64");
        std::fs::write(&encoded, answer.as_str().context("no picture")?)?;
        let decoded = Command::new("base64").arg("-d").arg(&encoded).output()?;
        std::fs::write(file, decoded.stdout)?;
        std::fs::remove_file(&encoded)?;
        Ok(())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = call("DELETE", &self.session, None);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

fn call(method: &str, address: &str, body: Option<&Value>) -> Result<Value> {
    let text = body.map(ToString::to_string);
    let mut arguments = vec!["-sS", "--noproxy", "*", "--max-time", "60", "-X", method, address];
    if let Some(text) = &text {
        arguments.extend(["-H", "content-type: application/json", "--data", text]);
    }
    let answer: Value = serde_json::from_str(&command::output("curl", &arguments)?)?;
    let value = answer["value"].clone();
    if let Some(error) = value["error"].as_str() {
        bail!("the browser says {error}: {}", value["message"].as_str().unwrap_or_default());
    }
    Ok(value)
}
