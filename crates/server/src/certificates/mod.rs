//! TLS certificates for the names of servers, by ACME (RFC 8555) with DNS-01.
//!
//! The key is made on the host and never leaves it; the host sends a request for its own
//! name and gets the chain. The account at the CA and the keys of zones stay here. One order
//! at a time in a zone; whatever fails waits longer each time.
//!
//! ```text
//! wanted ─(the host's request)─► queued ─(order)─► issued ─(due, lost, asked for)─► queued …
//! ```
//!
//! Start with [`Certificates`].

mod acme;
pub mod api;
mod fault;
mod http;
mod limits;
mod model;
mod order;
mod parsed;
mod queue;
mod renewal;
mod service;
mod store;

pub use acme::{Acme, AcmeConfig, LETS_ENCRYPT};
pub use fault::OrderFault;
pub use model::{Certificate, CertificateState, IssueOrder, Served};
pub use service::Certificates;
