//! The tables of firewalls.

pub mod addresses;
pub mod standing;
