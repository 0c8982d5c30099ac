//! Odd input for everything that reads foreign bytes. One program for all targets: which
//! one it is, the variable `HOLDFAST_FUZZ_TARGET` says (`cargo xtask fuzz` sets it).
//!
//! A target fails by a panic, by taking too long or by taking too much memory.

#![no_main]

mod feed;
mod inventory;
mod version;

use std::sync::LazyLock;

use vulns::FeedKind;

enum Target {
    Feed(FeedKind),
    Inventory,
    Version,
}

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("HOLDFAST_FUZZ_TARGET").unwrap_or_default();
    match name.as_str() {
        "inventory" => Target::Inventory,
        "version" => Target::Version,
        feed => Target::Feed(feed.parse().expect("HOLDFAST_FUZZ_TARGET names a target")),
    }
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| match &*TARGET {
    Target::Feed(kind) => feed::run(*kind, bytes),
    Target::Inventory => inventory::run(bytes),
    Target::Version => version::run(bytes),
});
