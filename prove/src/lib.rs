//! The proof: load on real services while they roll, every request accounted for.
//!
//! `record` is what a run leaves behind and what all other parts share; it names none of them.

pub mod record;
pub mod node;
