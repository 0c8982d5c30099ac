//! Stand-ins for tests: a host that answers as an agent, a provider that owns such
//! hosts, and a clock that stands still. Never shipped.
//!
//! Everything is deterministic and nothing sleeps: time passes when a test moves the
//! clock, and a host that reboots is away for a number of calls, not for a duration.
//! Start with [`SimulatedHost`].

mod clock;
mod disk;
mod fault;
mod host;
mod job;
mod machine;
mod observe;
mod packages;
mod provider;
mod work;

pub use clock::FakeClock;
pub use disk::DiskImage;
pub use fault::{Effects, Fault, Times};
pub use host::SimulatedHost;
pub use job::Pace;
pub use packages::{HostBuilder, Update};
pub use provider::{ProviderCall, ProviderEffects, SimulatedProvider};
