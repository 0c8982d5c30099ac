//! `cargo xtask e2e pages`: the pages in a real browser, with this machine's own risk.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{browser::Browser, patching::pending_here, stage::Stage};
use crate::command;

/// Where the pictures go, for a look by a person.
const PICTURES: &str = "pictures";

/// Runs the trial.
pub fn run() -> Result<()> {
    let stage = Stage::start("pages")?;
    stage.await_feeds()?;
    let servers = stage.json(&["server", "list"])?;
    let name = servers[0]["name"].as_str().context("this machine is not adopted")?.to_owned();
    stage.until("this machine is judged", Duration::from_secs(120), || {
        let server = stage.json(&["server", "show", &name])?;
        Ok(server["facts"].is_object() && server["risk"].is_object())
    })?;
    let pictures = command::binaries().join(PICTURES);
    std::fs::create_dir_all(&pictures)?;

    let browser = Browser::open(stage.data(), 1280)?;
    browser.go(&stage.sign_in)?;
    browser.press("form button")?;
    let origin = stage.sign_in.split("/sign-in").next().unwrap_or_default().to_owned();
    browser.go(&format!("{origin}/security"))?;
    let shown = browser.evaluate(
        "(() => { \
           const cells = row => Array.from(row.querySelectorAll('th, td')).map(cell => cell.innerText.trim()); \
           const place = cells(document.querySelector('thead tr')).findIndex(head => head.startsWith('Updates')); \
           return Array.from(document.querySelectorAll('tbody tr')).map(cells).map(row => [row[0], row[place]]); \
         })()",
    )?;
    let rows = shown.as_array().cloned().unwrap_or_default();
    let row = rows.iter().find(|row| row[0].as_str().is_some_and(|cell| cell.starts_with(&name)));
    let row = row.with_context(|| format!("the Security page has no row of `{name}`: {rows:?}"))?;
    let pending = pending_here()?;
    let says = row[1].as_str().and_then(|cell| cell.split_whitespace().next()?.replace(',', "").parse().ok());
    ensure!(says == Some(pending), "apt says {pending} updates are pending; the page says {}", row[1]);
    println!("the Security page shows `{name}` with {pending} pending updates, as apt says");
    browser.picture(&pictures.join("security-1280.png"))?;

    let findings = stage.json(&["finding", "list", &name])?;
    let list = findings["list"].as_array().cloned().unwrap_or_default();
    ensure!(!list.is_empty(), "no finding of this machine");
    ensure!(list.iter().all(|finding| finding["proof"].is_object()), "a finding without proof");
    println!("{} findings of this machine, each with its proof", list.len());

    for (page, file) in [
        ("/", "overview"),
        ("/servers", "servers"),
        (&format!("/servers/{name}"), "server"),
        ("/audit", "audit"),
        ("/runs", "runs"),
    ] {
        browser.go(&format!("{origin}{page}"))?;
        ensure!(!browser.text()?.trim().is_empty(), "`{page}` is empty");
        browser.picture(&pictures.join(format!("{file}-1280.png")))?;
    }
    let narrow = Browser::open(stage.data(), 500)?;
    let link = stage.json(&["sign-in"])?;
    narrow.go(link["address"].as_str().context("no link")?)?;
    narrow.press("form button")?;
    narrow.go(&format!("{origin}/security"))?;
    let overflow =
        narrow.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")?;
    ensure!(overflow.as_i64() == Some(0), "the Security page is {overflow} px wider than a narrow window");
    narrow.picture(&pictures.join("security-narrow.png"))?;
    println!("pictures are in {}", pictures.display());
    Ok(())
}
