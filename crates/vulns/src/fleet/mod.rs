//! Matching for many hosts: the work is done once for what is distinct, and after a
//! change of the feeds again only for what the change names.
//!
//! ```text
//! host ──► set (content-addressed) ──► parts (one source package each) ──► findings
//!                                        ▲                ▲
//!               (release, source) ───────┘      CVE ──────┘
//! ```
//!
//! Hosts of a fleet are alike, so many have the same *set*: release, kernel, packages and
//! what their package sources offer. Sets are alike too, so a set is divided into *parts*,
//! each of which is matched once however many sets hold it. Both arrows from below are the
//! inverted index by which a [`Fleet`] finds what a new [`Index`](crate::Index) changes.
//!
//! Never costs hosts × advisories, and never keeps a package list twice.

mod parts;
mod registry;
mod rematch;
mod set_id;
mod sets;

pub use registry::{Fleet, FleetSize};
pub use rematch::{Change, Rematch, Turn};
pub use set_id::SetId;
