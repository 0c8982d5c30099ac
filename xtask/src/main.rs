//! Development tasks: `cargo xtask up | test | e2e | ci`.
fn main() {}
