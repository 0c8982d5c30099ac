//! Runs that change servers.

mod faults;
mod kills;
mod trials;
