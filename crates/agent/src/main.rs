//! `holdfast-agent`, the daemon on every managed host.
fn main() {}
