//! Certificates: load, check, swap, issue.

pub mod check;
pub mod config;
pub mod issue;
pub mod name;
pub mod own;
pub mod plan;
pub mod reload;

pub(crate) mod date;
mod fault;
mod file;

pub use check::{Files, Pair};
pub use reload::{CertificateSlot, Event, Reloader};
