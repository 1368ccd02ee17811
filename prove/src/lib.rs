//! The proof: load on real services while they roll, every request accounted for.
//!
//! `record` is what a run leaves behind and what all other parts share; it names none of them.
//! `load` makes such a record and `report` shows it. `client` is what a load generator
//! needs of HTTP, and `registry` is how callers find instances; `lock` is for what threads share.
//! `node` is a Kubernetes for it, `cluster` one that is there already, `scenario` what happens in either.

pub mod client;
pub mod cluster;
pub mod load;
pub mod lock;
pub mod node;
pub mod record;
pub mod registry;
pub mod report;
pub mod scenario;
