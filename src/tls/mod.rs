//! Certificates: load, check, swap, issue.

pub mod check;
pub mod config;
pub mod issue;
pub mod reload;

pub(crate) mod date;
mod fault;

pub use check::{Files, Pair};
pub use reload::{Event, Reloader, Slot};
