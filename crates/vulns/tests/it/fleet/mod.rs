//! Fleets: what they know equals what each host would be told alone, and what they
//! compute is what has changed and nothing else.

mod deltas;
mod real_fleet;
mod sets;
pub mod world;
