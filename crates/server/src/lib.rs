//! The control plane: finds what touches its servers, patches them in runs that can be
//! resumed and undone, and proves what it did.
//!
//! A folder per domain; each has what it needs of `store` (all database access),
//! `service` (decisions), `api` (JSON) and `pages` (HTML). Other domains call a domain's
//! service and never its store. Start with [`app::App`].

pub mod access;
pub mod app;
pub mod audit;
pub mod certificates;
pub mod cli;
pub mod config;
pub mod db;
pub mod dns;
pub mod exposure;
pub mod firewall;
pub mod hosts;
pub mod http;
pub mod killpoints;
pub mod pages;
pub mod patching;
pub mod providers;
pub mod secrets;
