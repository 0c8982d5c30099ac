//! `holdfast`, the control plane.

fn main() {}
