//! Runs that change servers.

mod faults;
mod keepsakes;
mod kills;
mod trials;
