//! Tests of the whole control plane: the real services, router and database, on a clock
//! that stands still, with simulated hosts and no network.
//!
//! Start with [`app::TestApp`].

mod app;
mod certificates;
mod drift;
mod exposure;
mod firewall;
mod hosts;
mod http;
mod patching;
mod runs;
mod scan;
mod secrets;
