//! Servers: enrolling them, speaking to their agents, and knowing what is on them.

mod agents;
pub mod api;
mod drift;
mod enrolment;
mod facts;
mod inventories;
mod local;
mod model;
pub mod pages;
mod pinned;
mod provision;
mod provisioning;
mod region;
mod service;
mod store;
mod watch;

pub use agents::{Agents, HttpsAgents};
pub use drift::{Drift, Drifts, Outside, OutsideChange};
pub use enrolment::Enrolments;
pub use facts::Facts;
pub use inventories::{Inventories, Rejudged};
pub use local::LocalAgent;
pub use model::{Origin, Server, ServerState};
pub use provision::{Provision, ProvisionPlan, Welcome};
pub use provisioning::{Order, Provisioning};
pub use region::{DEFAULT as DEFAULT_REGION, Region, Regions};
pub use service::Servers;
pub use watch::Watch;
